/* aws_wiped_buffer.h - an answer that may hold a plaintext; inside this room. */
#ifndef AWS_AWS_WIPED_BUFFER_H
#define AWS_AWS_WIPED_BUFFER_H

#include "base/buffer.h"
#include "base/secret.h"

/* Wiped when it is left. Reserve all of it at once: growing leaves copies behind. */
struct wiped_buffer {
    struct buffer bytes;
};

static inline void wiped_buffer_cleanup(struct wiped_buffer *b)
{
    secret_wipe(b->bytes.data, b->bytes.capacity);
    buffer_cleanup(&b->bytes);
}

#endif
