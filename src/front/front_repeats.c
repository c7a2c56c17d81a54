/* front_repeats.c - whether a refusal of slashing protection is one that was counted already.
 *
 * Nimbus repeats a request after a 412, up to four times within three seconds; who is woken by a counter
 * wants to know of messages. So the latest refused ones are kept by key and signing root, and looked through:
 * there are few of them. Rejected: a time after which a repeat counts again, since nothing new has happened
 * then either. */
#include <string.h>

#include "front.h"

bool front_repeats_note(struct front_repeats *repeats, const uint8_t pubkey[static FRONT_PUBKEY_LEN],
                        const uint8_t signing_root[static ETH2_ROOT_LEN])
{
    struct front_refused one;
    memcpy(one.pubkey, pubkey, sizeof one.pubkey);
    memcpy(one.signing_root, signing_root, sizeof one.signing_root);
    size_t kept = repeats->count < FRONT_REPEATS_MAX ? (size_t)repeats->count : FRONT_REPEATS_MAX;
    for (size_t i = 0; i < kept; i++) {
        if (memcmp(&repeats->latest[i], &one, sizeof one) == 0)
            return false;
    }
    repeats->latest[repeats->count++ % FRONT_REPEATS_MAX] = one;
    return true;
}
