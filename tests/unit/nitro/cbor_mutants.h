/* cbor_mutants.h - every message that differs from a good one in what one of its items is: each item in turn
 * becomes a number, a string, an array, a map, a tag, null or a boolean, of lengths around and beyond what
 * any reader of ours wants; or a container has one member more. All of them are well formed, so that what
 * refuses them is the reader of the message's meaning.
 */
#ifndef TESTS_CBOR_MUTANTS_H
#define TESTS_CBOR_MUTANTS_H

#include "cbor/cbor.h"

struct cbor_mutant {
    const uint8_t *bytes;
    size_t length;
    size_t item;    /* in the order of the message, 0 being the whole */
    const char *as; /* what it became */
};

typedef void cbor_visitor(void *context, const struct cbor_mutant *mutant);

/* How many there were, of a message that cbor_read takes. */
size_t cbor_mutants(const uint8_t *message, size_t message_len, cbor_visitor *visit, void *context);

#endif
