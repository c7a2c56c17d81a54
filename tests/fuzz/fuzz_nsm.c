/* fuzz_nsm.c - the reader of the NSM's answers. An input is what the NSM answers to each request in turn.
 * What is taken out of an answer stands in it; of an answer that is refused nothing is taken.
 *
 * nsm_transact, which would go to the device, is wrapped. */
#include <string.h>

#include "fuzz.h"
#include "nitro/nitro_nsm_transport.h"

static const uint8_t *answer;
static size_t answer_len;

result __wrap_nsm_transact(const struct nsm *n, uint8_t ret_response[static NSM_RESPONSE_MAX],
                           size_t *ret_response_len, const uint8_t *request, size_t request_len);
result __wrap_nsm_transact(const struct nsm *n, uint8_t ret_response[static NSM_RESPONSE_MAX],
                           size_t *ret_response_len, const uint8_t *request, size_t request_len)
{
    (void)n;
    PROMISE(request && request_len >= 1 && request_len <= NSM_REQUEST_MAX);
    if (answer_len > 0)
        memcpy(ret_response, answer, answer_len);
    *ret_response_len = answer_len;
    return RESULT_OK;
}

/* Accepted, or refused for a reason that an answer can have. */
static bool accepted(result r)
{
    PROMISE(r.code == E_NONE || r.code == E_PEER || r.code == E_INPUT || r.code == E_STATE);
    return r.code == E_NONE;
}

/* The whole of a register, and nothing beside it: whatever the width of its length, that ends with 48. */
static bool stands_in_answer(const uint8_t value[static NSM_PCR_LEN])
{
    uint8_t counted[1 + NSM_PCR_LEN] = {NSM_PCR_LEN};
    memcpy(counted + 1, value, NSM_PCR_LEN);
    return memmem(answer, answer_len, counted, sizeof counted);
}

static void check_taken(bool was_accepted, const uint8_t *bytes, size_t length)
{
    static const uint8_t untouched[NSM_PCR_LEN];
    if (!was_accepted)
        PROMISE(memcmp(bytes, untouched, length) == 0);
    else if (length == NSM_PCR_LEN)
        PROMISE(stands_in_answer(bytes));
    else
        PROMISE(memmem(answer, answer_len, bytes, length));
}

static void try_requests(const struct nsm *n)
{
    uint8_t value[NSM_PCR_LEN] = {0}, extended[NSM_PCR_LEN] = {0}, random[1] = {0};
    bool locked = false;
    AUTO(buffer) document = {0};
    check_taken(accepted(nsm_describe_pcr(n, value, &locked, 16)), value, sizeof value);
    check_taken(accepted(nsm_extend_pcr(n, extended, 16, value, sizeof value)), extended, sizeof extended);
    check_taken(accepted(nsm_get_random(n, random, sizeof random)), random, sizeof random);
    if (accepted(nsm_lock_pcr(n, 16)))
        PROMISE(memmem(answer, answer_len, "LockPCR", 7));
    bool attested = accepted(nsm_attest(n, &document, NULL, 0, value, sizeof value, NULL, 0));
    PROMISE(attested == (document.length > 0));
    if (attested)
        PROMISE(memmem(answer, answer_len, document.data, document.length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct nsm nsm = {.fd = 1000};
    if (size > NSM_RESPONSE_MAX)
        return 0;
    answer = data;
    answer_len = size;
    try_requests(&nsm);
    return 0;
}
