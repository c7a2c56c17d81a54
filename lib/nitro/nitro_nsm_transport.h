/* nitro_nsm_transport.h - carries bytes to the NSM and back. Internal to nitro_nsm.
 */
#ifndef NITRO_NSM_TRANSPORT_H
#define NITRO_NSM_TRANSPORT_H

#include "nitro/nitro_nsm.h"

/* Sends one request and takes its answer, which is not looked at. E_TOO_LARGE the request, E_PEER the answer.
 */
must_check result nsm_transact(const struct nsm *n, uint8_t ret_response[static NSM_RESPONSE_MAX],
                               size_t *ret_response_len, const uint8_t *request, size_t request_len);

#endif
