/* fuzz_mnemonic.c - BIP-39. Entropy makes a mnemonic that is accepted, and that is not accepted when one of
 * its letters is missing; a mnemonic that is accepted has one of the five lengths and a seed. */
#include "fuzz.h"
#include "fuzz_secret.h"
#include "keystore/keystore.h"
#include "keystore/mnemonic_words.h"

enum { ENTROPY_LEN = 32, LONGEST = 24 };

static void try_entropy(const uint8_t *entropy)
{
    AUTO(secret) mnemonic = {0};
    PROMISE(mnemonic_from_entropy(&mnemonic, entropy, ENTROPY_LEN).code == 0);
    PROMISE(mnemonic_check((const char *)mnemonic.data, mnemonic.length).code == 0);
}

static unsigned find_word(const char *word, size_t length)
{
    for (unsigned i = 0; i < MNEMONIC_NUM_WORDS; i++) {
        if (strlen(mnemonic_words[i]) == length && memcmp(mnemonic_words[i], word, length) == 0)
            return i;
    }
    return MNEMONIC_NUM_WORDS;
}

/* The words of 24 are 256 bits of entropy, and of its checksum 8, which must be those that go with it. */
static void check_long(const char *text, size_t length)
{
    uint8_t entropy[ENTROPY_LEN + 1] = {0};
    AUTO(secret) again = {0};
    size_t at = 0, bit = 0;
    for (size_t word = 0; word < LONGEST; word++) {
        while (at < length && (text[at] < 'a' || text[at] > 'z'))
            at++;
        size_t end = at;
        while (end < length && text[end] >= 'a' && text[end] <= 'z')
            end++;
        unsigned index = find_word(text + at, end - at);
        PROMISE(index < MNEMONIC_NUM_WORDS);
        for (unsigned i = 0; i < 11; i++, bit++)
            entropy[bit / 8] |= (uint8_t)((index >> (10 - i) & 1) << (7 - bit % 8));
        at = end;
    }
    PROMISE(mnemonic_from_entropy(&again, entropy, ENTROPY_LEN).code == 0);
    const char *last = strrchr((const char *)again.data, ' ') + 1;
    unsigned expected = find_word(last, strlen(last));
    PROMISE((expected & 0xff) == entropy[ENTROPY_LEN]);
}

static size_t count_words(const char *text, size_t length)
{
    size_t num = 0;
    for (size_t i = 0; i < length; i++)
        num += text[i] >= 'a' && text[i] <= 'z' && (i == 0 || text[i - 1] < 'a' || text[i - 1] > 'z');
    return num;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(secret) seed = {0};
    const char *text = (const char *)data;
    fuzz_open_secret_heap();
    fuzz_forget_reason();
    if (size == ENTROPY_LEN)
        try_entropy(data);
    if (!fuzz_accepted(mnemonic_check(text, size)))
        return 0;
    size_t num = count_words(text, size);
    PROMISE(num >= 12 && num <= 24 && num % 3 == 0);
    if (num == LONGEST)
        check_long(text, size);
    PROMISE(mnemonic_to_seed(&seed, text, size, "", 0).code == 0 && seed.length == 64);
    return 0;
}
