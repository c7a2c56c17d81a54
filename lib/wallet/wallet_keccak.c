/* wallet_keccak.c - Keccak-256 as Ethereum has it: SHA-3's sponge before NIST changed its padding.
 *
 * The permutation, where all the work and all the risk is, is nettle's; what is written here is how bytes go
 * in and out of its state. Debian 12 has no sound library in C that offers the old padding by itself:
 * OpenSSL 3.0, libgcrypt and nettle know NIST's only, and Botan would bring a C++ run-time among the keys. */
#include <nettle/sha3.h>
#include <string.h>

#include "base/secret.h"
#include "wallet/wallet_file.h"

enum { RATE = 136, HASH_LEN = 32, LANE = 8, PADDING_FIRST = 0x01, PADDING_LAST = 0x80 };

struct sponge {
    struct sha3_state state;
    size_t at; /* bytes absorbed of this block */
};

static void sponge_cleanup(struct sponge *s)
{
    secret_wipe(s, sizeof *s);
}

static void absorb_byte(struct sponge *s, size_t at, uint8_t byte)
{
    s->state.a[at / LANE] ^= (uint64_t)byte << 8 * (at % LANE);
}

static void absorb(struct sponge *s, const uint8_t *bytes, size_t bytes_len)
{
    for (size_t i = 0; i < bytes_len; i++) {
        absorb_byte(s, s->at++, bytes[i]);
        if (s->at == RATE) {
            sha3_permute(&s->state);
            s->at = 0;
        }
    }
}

void wallet_keccak(uint8_t ret_hash[static 32], const uint8_t *first, size_t first_len, const uint8_t *second,
                   size_t second_len)
{
    AUTO(sponge) s = {.at = 0};
    absorb(&s, first, first_len);
    absorb(&s, second, second_len);
    absorb_byte(&s, s.at, PADDING_FIRST);
    absorb_byte(&s, RATE - 1, PADDING_LAST);
    sha3_permute(&s.state);
    for (size_t i = 0; i < HASH_LEN; i++)
        ret_hash[i] = (uint8_t)(s.state.a[i / LANE] >> 8 * (i % LANE));
}
