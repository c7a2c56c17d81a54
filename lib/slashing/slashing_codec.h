/* slashing_codec.h - entries and heads in a fixed number of bytes: what the processes of a signer pass on
 * (PROTOCOL.ipc section 2), what a seal is made over, and what the digest of the protection state is made of.
 * One form only: unused fields are zero, and anything else is refused.
 */
#ifndef SLASHING_SLASHING_CODEC_H
#define SLASHING_SLASHING_CODEC_H

#include "base/buffer.h"
#include "slashing/slashing_store.h"

enum {
    SLASHING_RECORD_BYTES = 96,
    SLASHING_ENTRY_BYTES = SLASHING_RECORD_BYTES + 8 + SLASHING_MAC_LEN,
    SLASHING_HEAD_BYTES =
        8 + 32 + 4 * 8 + SLASHING_STORE_ID_LEN + 8 + SLASHING_SEALED_KEY_MAX + SLASHING_MAC_LEN
};

/* What a flag declares absent is written as zero, whatever the struct holds there. */
void slashing_record_encode(uint8_t out[static SLASHING_RECORD_BYTES], const struct slashing_record *record);
/* Whether they are encoded alike. */
bool slashing_record_equal(const struct slashing_record *a, const struct slashing_record *b);
void slashing_entry_encode(uint8_t out[static SLASHING_ENTRY_BYTES], const struct slashing_entry *entry);
/* The MAC stands in the last SLASHING_MAC_LEN bytes. */
void slashing_head_encode(uint8_t out[static SLASHING_HEAD_BYTES], const struct slashing_head *head);

/* E_INPUT when the bytes are not the encoding of anything. */
must_check result slashing_entry_decode(struct slashing_entry *ret_entry,
                                        const uint8_t bytes[static SLASHING_ENTRY_BYTES]);
must_check result slashing_head_decode(struct slashing_head *ret_head,
                                       const uint8_t bytes[static SLASHING_HEAD_BYTES]);

#endif
