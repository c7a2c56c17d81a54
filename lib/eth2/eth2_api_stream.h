/* eth2_api_stream.h - the parts of an execution payload envelope, from a stream of JSON to roots. Private to
 * eth2_api.
 *
 * Every function is E_INPUT naming the member's path; outputs are then undefined.
 */
#ifndef ETH2_API_STREAM_H
#define ETH2_API_STREAM_H

#include "eth2/eth2_api_parts.h"
#include "json/json_stream.h"

/* Takes the value of the member of that name and says so, or leaves it. */
typedef result eth2_api_take_member(bool *ret_taken, void *context, struct json_stream *stream,
                                    const struct json_view *object, const char *name);

/* The value that comes next as an object: what take leaves is put into *ret_rest, which the caller owns, and
 * which becomes the value of *object; its parent and name are the path. */
must_check result eth2_api_walk(json_t **ret_rest, struct json_view *object, struct json_stream *stream,
                                eth2_api_take_member *take, void *context);
must_check result eth2_api_check_has(bool has, const struct json_view *object, const char *name);

/* The value that comes next is parent's member "payload"; "execution_requests". */
must_check result eth2_api_payload_root(uint8_t ret_root[static SSZ_ROOT_LEN], uint64_t *ret_slot,
                                        struct json_stream *stream, const struct json_view *parent);
must_check result eth2_api_requests_root(uint8_t ret_root[static SSZ_ROOT_LEN], struct json_stream *stream,
                                         const struct json_view *parent);

#endif
