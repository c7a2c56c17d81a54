/* json_stream.h - a strict reader of JSON texts that are too large to be held in memory.
 *
 * The caller walks the outer objects and arrays; the small values inside are read whole, by json_read.
 * What is walked is held to the same grammar: a member twice, a comma too many, bytes behind the end are
 * errors. Target json.
 */
#ifndef JSON_JSON_STREAM_H
#define JSON_JSON_STREAM_H

#include "json/json.h"
#include "json/json_flat.h"

enum {
    JSON_STREAM_DEPTH_MAX = 8,        /* levels that are walked; JSON_DEPTH_MAX more in each value */
    JSON_STREAM_MEMBERS_MAX = 64,     /* of one object that is walked */
    JSON_STREAM_VALUE_MAX = 64 * 1024 /* bytes of a value that is read whole */
};

struct json_stream; /* opaque; some 130 KiB, whatever is read */

/* Reads from fd (borrowed) to its end; E_TOO_LARGE over max_length bytes. */
must_check result json_stream_open(struct json_stream **ret_stream, int fd, uint64_t max_length);
/* Reads a text in memory (borrowed). */
must_check result json_stream_open_text(struct json_stream **ret_stream, const char *text, size_t text_len);
void json_stream_close(struct json_stream *stream);
typedef struct json_stream json_stream;
DEFINE_AUTO_POINTER(json_stream, json_stream_close)

/* Enters the object or array that comes next; E_INPUT "must be an object", "must be an array". */
must_check result json_stream_begin_object(struct json_stream *stream);
must_check result json_stream_begin_array(struct json_stream *stream);
/* The name of the next member, whose value must be read or entered then; NULL at the end of the object,
 * which is left. Valid until the object is left. */
must_check result json_stream_next_member(struct json_stream *stream, const char **ret_name);
/* Whether there is another element, which must be read or entered then; if not, the array is left. */
must_check result json_stream_next_element(struct json_stream *stream, bool *ret_has_element);
/* The value that comes next, of any type, at most max_length (up to JSON_STREAM_VALUE_MAX) bytes and
 * max_values values: as json_read. The caller owns it. */
must_check result json_stream_value(struct json_stream *stream, json_t **ret_value, size_t max_length,
                                    size_t max_values);
/* Whether the value that comes next is an object that json_flat_read can read where it lies, of at most
 * max_length bytes. It stays the next one; *ret_object is valid until anything else of the stream is read. No
 * does not mean that it is none: now and then one lies across the end of what has arrived. */
must_check result json_stream_peek_flat(struct json_stream *stream, bool *ret_is_flat,
                                        struct json_flat *ret_object, size_t max_length);
/* Passes over the object that json_stream_peek_flat has just shown. */
void json_stream_pass_flat(struct json_stream *stream, const struct json_flat *object);
/* Passes over the value that comes next, whatever its length. Its brackets and quotes are counted; whether it
 * is JSON is left open. */
must_check result json_stream_skip(struct json_stream *stream);
/* The value that comes next: a string of hex, "0x" optional, digits of either case, of whatever length. Its
 * bytes go to sink piece by piece, in order. E_INPUT "must be ..."; the sink may have been called then. Not
 * for secrets. */
typedef void json_stream_sink(void *context, const uint8_t *bytes, size_t bytes_len);
must_check result json_stream_hex(struct json_stream *stream, json_stream_sink *sink, void *context);
/* Nothing but blanks may be left. */
must_check result json_stream_end(struct json_stream *stream);

#endif
