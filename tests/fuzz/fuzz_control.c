/* fuzz_control.c - the control port of an enclave: what a hostile host may ask. A request that is accepted
 * has records that lie in its ciphertexts, and keeps to the limits of what the keeper is told. */
#include "courier/courier_request.h"
#include "fuzz.h"
#include "fuzz_secret.h"
#include "policy/policy.h"

static void check_records(const struct courier_request *r)
{
    size_t num_keys = 0;
    for (size_t i = 0; i < r->num_records; i++) {
        const struct courier_record *record = &r->records[i];
        PROMISE(record->length >= 1 && record->length <= COURIER_CIPHERTEXT_MAX);
        PROMISE((size_t)record->offset + record->length <= r->ciphertexts.length);
        PROMISE(record->kind == IPC_RECORD_TLS || record->kind == IPC_RECORD_VALIDATOR ||
                record->kind == IPC_RECORD_DATA_KEY);
        PROMISE(record->kind == IPC_RECORD_VALIDATOR || !record->has_pubkey);
        PROMISE((record->kind == IPC_RECORD_TLS) == (r->operation == COURIER_INIT && i == 0));
        PROMISE(record->kind != IPC_RECORD_DATA_KEY || record->index < r->num_batches);
        num_keys += record->kind == IPC_RECORD_VALIDATOR;
    }
    for (size_t i = 0; i < r->num_batches; i++) {
        const struct courier_batch *batch = &r->batches[i];
        PROMISE(batch->num_keys >= 1 && memchr(batch->uuid, 0, sizeof batch->uuid) && *batch->uuid);
        PROMISE((size_t)batch->offset + (size_t)batch->num_keys * IPC_SEALED_LEN <= r->ciphertexts.length);
        PROMISE(batch->index == num_keys);
        num_keys += batch->num_keys;
    }
    PROMISE(num_keys == r->num_keys);
}

static bool has_credentials(const struct courier_request *r)
{
    return *r->credentials.access_key_id && r->credentials.secret_access_key.length > 0;
}

static void check_init(const struct courier_request *r)
{
    PROMISE(r->policy.length >= 1 && r->policy.length <= IPC_POLICY_MAX);
    PROMISE(r->access.length <= IPC_ACCESS_MAX);
    PROMISE(r->num_keys >= 1 && r->num_records >= 2);
}

static void check_request(const struct courier_request *r)
{
    PROMISE(has_credentials(r) == (r->operation == COURIER_INIT || r->operation == COURIER_CREDENTIALS));
    switch (r->operation) {
    case COURIER_INIT:
        check_init(r);
        break;
    case COURIER_RELOAD:
        PROMISE(r->num_keys >= 1 && r->num_records >= 1 && r->policy.length == 0);
        break;
    case COURIER_ATTEST:
        PROMISE(r->nonce_len <= IPC_NONCE_MAX);
        break;
    case COURIER_CREDENTIALS:
    case COURIER_INIT_STATE:
    case COURIER_STATUS:
        PROMISE(r->num_records == 0 && r->ciphertexts.length == 0);
        break;
    }
    check_records(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(courier_request) request = {0};
    fuzz_open_secret_heap();
    fuzz_forget_reason();
    if (!fuzz_accepted(courier_request_parse(&request, (const char *)data, size)))
        return 0;
    PROMISE(courier_operation_name(request.operation));
    check_request(&request);
    return 0;
}
