/* net_frame.h - messages on a byte stream: a 4-byte big-endian length, then that many bytes.
 *
 * Two readers of the same format: a blocking pair with a deadline for clients and tools, and
 * an incremental parser for event loops. Both refuse a length over the cap before they hold
 * any of it.
 */
#ifndef NET_FRAME_H
#define NET_FRAME_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/result.h"

enum { NET_FRAME_HEADER_LEN = 4 };

/* Appends one whole message to out. The socket may be blocking or not. deadline_ns is on the
 * clock of clock_monotonic_ns. E_TOO_LARGE over max_length, E_TIMEOUT, E_PEER when the stream
 * ends (between messages or inside one), E_IO. After a failure the stream is unusable. */
must_check result net_frame_read(struct buffer *out, int socket, size_t max_length, uint64_t deadline_ns);
must_check result net_frame_write(int socket, const void *bytes, size_t bytes_len, uint64_t deadline_ns);

/* Writes the header of a message, for those who send through a buffer of their own. */
void net_frame_header(uint8_t out[static NET_FRAME_HEADER_LEN], uint32_t length);

/* Zero-initialise, then set max_length. */
struct net_frame_parser {
    size_t max_length;
    struct buffer held;
    size_t taken; /* bytes of held that belong to messages already given out */
};

/* Adds bytes as they came off the stream. Take all messages out before feeding more: that bounds
 * what is held to one message and one feed. */
must_check result net_frame_feed(struct net_frame_parser *parser, const void *bytes, size_t bytes_len);
/* The next whole message, if *ret_have; it stays valid until the next feed. E_TOO_LARGE as soon as a
 * header announces more than max_length. */
must_check result net_frame_next(struct net_frame_parser *parser, bool *ret_have, const uint8_t **ret_message,
                                 size_t *ret_len);
void net_frame_parser_cleanup(struct net_frame_parser *parser);

#endif
