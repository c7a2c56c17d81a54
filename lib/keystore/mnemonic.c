/* mnemonic.c - BIP-39: entropy to words, words to entropy's checksum, words to seed.
 *
 * Words are looked up by secret indices, so cache timing could tell a neighbour on the same
 * processor about them; mnemonics are made and read on an operator's machine only, never in
 * an enclave, and a table scan for each of 24 words would protect nothing there. */
#include <openssl/evp.h>
#include <string.h>

#include "keystore/keystore.h"
#include "keystore/keystore_password.h"
#include "keystore/mnemonic_words.h"

enum {
    WORD_BITS = 11,
    ENTROPY_MIN = 16,
    ENTROPY_MAX = 32,
    WORDS_MAX = 24,
    ROUNDS = 2048,
    SEED_LEN = 64,
    SALT_PREFIX_LEN = 8 /* "mnemonic" */
};

/* Entropy of 16 to 32 bytes and behind it one byte that begins with the checksum bits. */
static must_check result append_checksum(struct secret *entropy_and_room)
{
    uint8_t digest[32];
    size_t entropy_len = entropy_and_room->length - 1;
    int done = EVP_Digest(entropy_and_room->data, entropy_len, digest, NULL, EVP_sha256(), NULL);
    entropy_and_room->data[entropy_len] = digest[0];
    secret_wipe(digest, sizeof digest);
    ENSURE(done == 1, E_CRYPTO, "SHA-256 failed");
    return RESULT_OK;
}

static unsigned word_at(const uint8_t *bits, size_t index)
{
    unsigned word = 0;
    for (size_t bit = index * WORD_BITS; bit < (index + 1) * WORD_BITS; bit++)
        word = word << 1 | ((unsigned)bits[bit / 8] >> (7 - bit % 8) & 1u);
    return word;
}

static void put_word(uint8_t *bits, size_t index, unsigned word)
{
    for (size_t i = 0; i < WORD_BITS; i++) {
        size_t bit = index * WORD_BITS + i;
        unsigned value = word >> (WORD_BITS - 1 - i) & 1u;
        bits[bit / 8] = (uint8_t)(bits[bit / 8] | value << (7 - bit % 8));
    }
}

result mnemonic_from_entropy(struct secret *ret_mnemonic, const uint8_t *entropy, size_t entropy_len)
{
    ENSURE(entropy_len >= ENTROPY_MIN && entropy_len <= ENTROPY_MAX && entropy_len % 4 == 0, E_INPUT,
           "entropy must be 16, 20, 24, 28 or 32 bytes");
    AUTO(secret) bits = {0}, text = {0};
    TRY(secret_new(&bits, entropy_len + 1));
    memcpy(bits.data, entropy, entropy_len);
    TRY(append_checksum(&bits));

    size_t num_words = entropy_len * 3 / 4, length = 0;
    TRY(secret_new(&text, num_words * (MNEMONIC_WORD_MAX + 1)));
    for (size_t i = 0; i < num_words; i++) {
        const char *word = mnemonic_words[word_at(bits.data, i)];
        size_t word_len = strlen(word);
        if (i > 0)
            text.data[length++] = ' ';
        memcpy(text.data + length, word, word_len);
        length += word_len;
    }
    secret_truncate(&text, length);
    *ret_mnemonic = text;
    text = (struct secret){0};
    return RESULT_OK;
}

static must_check result find_word(unsigned *ret_index, const char *word, size_t word_len)
{
    unsigned low = 0, high = MNEMONIC_NUM_WORDS;
    while (low < high && word_len <= MNEMONIC_WORD_MAX) {
        unsigned middle = (low + high) / 2;
        int order = memcmp(word, mnemonic_words[middle], word_len); /* the rows are padded with zeros */
        if (order == 0 && strlen(mnemonic_words[middle]) == word_len) {
            *ret_index = middle;
            return RESULT_OK;
        }
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    FAIL(E_INPUT, "mnemonic: a word is not in the English list");
}

/* The words' bits, entropy and checksum, into 33 zeroed bytes. */
static must_check result read_words(uint8_t *bits, size_t *ret_num_words, const char *mnemonic,
                                    size_t mnemonic_len)
{
    size_t num_words = 0;
    const char *at = mnemonic, *end = mnemonic + mnemonic_len;
    for (;;) {
        const char *space = memchr(at, ' ', (size_t)(end - at));
        const char *word_end = space ? space : end;
        unsigned index = 0;
        TRY(find_word(&index, at, (size_t)(word_end - at)));
        ENSURE(num_words < WORDS_MAX, E_INPUT, "mnemonic: more than %d words", WORDS_MAX);
        put_word(bits, num_words++, index);
        if (!space)
            break;
        at = space + 1;
    }
    *ret_num_words = num_words;
    return RESULT_OK;
}

result mnemonic_check(const char *mnemonic, size_t mnemonic_len)
{
    AUTO(secret) bits = {0}, expected = {0};
    TRY(secret_new(&bits, ENTROPY_MAX + 1));
    size_t num_words = 0;
    TRY(read_words(bits.data, &num_words, mnemonic, mnemonic_len));
    ENSURE(num_words >= 12 && num_words % 3 == 0, E_INPUT, "mnemonic: must have 12, 15, 18, 21 or 24 words");

    size_t entropy_len = num_words * 4 / 3;
    TRY(secret_copy(&expected, bits.data, entropy_len + 1));
    TRY(append_checksum(&expected));
    size_t checksum_bits = num_words / 3;
    uint8_t difference = expected.data[entropy_len] ^ bits.data[entropy_len];
    ENSURE(difference >> (8 - checksum_bits) == 0, E_INPUT, "mnemonic: its checksum is wrong");
    return RESULT_OK;
}

result mnemonic_to_seed(struct secret *ret_seed, const char *mnemonic, size_t mnemonic_len,
                        const char *passphrase, size_t passphrase_len)
{
    AUTO(secret) words = {0}, extra = {0}, salt = {0}, seed = {0};
    result r = keystore_nfkd(&words, (const uint8_t *)mnemonic, mnemonic_len);
    if (r.code)
        return error_prefix(r, "mnemonic");
    r = keystore_nfkd(&extra, (const uint8_t *)passphrase, passphrase_len);
    if (r.code)
        return error_prefix(r, "passphrase");
    TRY(secret_new(&salt, SALT_PREFIX_LEN + extra.length));
    memcpy(salt.data, "mnemonic", SALT_PREFIX_LEN);
    memcpy(salt.data + SALT_PREFIX_LEN, extra.data, extra.length);
    TRY(secret_new(&seed, SEED_LEN));
    int done = PKCS5_PBKDF2_HMAC((const char *)words.data, (int)words.length, salt.data, (int)salt.length,
                                 ROUNDS, EVP_sha512(), SEED_LEN, seed.data);
    ENSURE(done == 1, E_CRYPTO, "PBKDF2 failed");
    *ret_seed = seed;
    seed = (struct secret){0};
    return RESULT_OK;
}
