/* bls_messages.h - the messages that are signed, for the files of this room. Every function may be called by
 * several threads at once; what is computed is computed by one, and others that want it wait.
 */
#ifndef BLS_BLS_MESSAGES_H
#define BLS_BLS_MESSAGES_H

#include "bls/bls.h"
#include "bls/bls_multiples.h"

/* A message in use: until it is given back its place is nobody else's. */
struct bls_known {
    const blst_p2 *hash;
    struct bls_message_place *place;
    struct bls_message_table *table; /* NULL: none, or none that pays yet */
};

/* All that pays for num more signatures of the message is there, or another thread is at it. */
bool bls_messages_are_prepared(struct bls_messages *messages, const uint8_t message[static BLS_MESSAGE_LEN],
                               size_t num);
/* Hashes the message unless it is known. E_INTERNAL when too many threads have messages in use. */
must_check result bls_messages_take(struct bls_messages *messages, struct bls_known *ret_known,
                                    const uint8_t message[static BLS_MESSAGE_LEN]);
/* The table of its multiples, for num more signatures; it stays as it is until the message is given back.
 * Makes it with work, or a longer one, where that pays. E_INTERNAL when it cannot be made. */
must_check result bls_messages_take_table(struct bls_messages *messages, struct bls_known *known,
                                          struct bls_multiples_work *work, size_t num);
const struct bls_multiples *bls_messages_multiples(const struct bls_known *known);
/* Signatures of it that were made. */
void bls_messages_count(struct bls_messages *messages, const struct bls_known *known, size_t num);
/* Something of it is wrong: whoever takes the message from now on has it computed anew. */
void bls_messages_forget(struct bls_messages *messages, const struct bls_known *known);
void bls_messages_give_back(struct bls_messages *messages, struct bls_known *known);

#endif
