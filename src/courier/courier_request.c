/* courier_request.c - see courier_request.h. A member that an operation does not know is refused: a host that
 * believes it has said something must not be left in that belief. */
#include "courier_request.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/hex.h"
#include "json/json.h"

enum {
    VALUES_MAX = 2 * COURIER_RECORDS_MAX + 4 * COURIER_BATCHES_MAX + 64,
    MEMBERS_MAX = 8,
    CREDENTIAL_MEMBERS = 3,
    BATCH_MEMBERS = 3
};

static const struct operation {
    enum courier_operation operation;
    const char *name;
    const char *members[MEMBERS_MAX]; /* all but two are required; the first empty place ends the list */
} operations[] = {
    {COURIER_INIT_STATE, "init_state", {"operation"}},
    {COURIER_INIT,
     "init",
     {"operation", "policy", "access", "credential", "encrypted_tls_key", "encrypted_validator_keys",
      "sealed_validator_keys", "validator_pubkeys"}},
    {COURIER_CREDENTIALS, "credentials", {"operation", "credential"}},
    {COURIER_RELOAD,
     "reload",
     {"operation", "encrypted_validator_keys", "sealed_validator_keys", "validator_pubkeys"}},
    {COURIER_STATUS, "status", {"operation"}},
    {COURIER_ATTEST, "attest", {"operation", "nonce"}},
};

const char *courier_operation_name(enum courier_operation operation)
{
    return operations[operation].name;
}

static must_check result find_operation(const struct operation **ret_operation, const struct json_view *view)
{
    const char *name = NULL;
    TRY(json_get_text(&name, NULL, view, "operation"));
    for (size_t i = 0; i < ARRAY_LENGTH(operations); i++) {
        if (strcmp(operations[i].name, name) == 0) {
            *ret_operation = &operations[i];
            return RESULT_OK;
        }
    }
    FAIL(E_INPUT, "operation: must be init_state, init, credentials, reload, status or attest");
}

/* What a host without such keys need not say, and what older ones do not. */
static const char sealed_member[] = "sealed_validator_keys", pubkeys_member[] = "validator_pubkeys";

static bool is_optional(const char *member)
{
    return strcmp(member, sealed_member) == 0 || strcmp(member, pubkeys_member) == 0;
}

/* Since all members but two must be there, one too many is a number too high. */
static must_check result check_members(const struct json_view *view, const struct operation *o)
{
    size_t num = 0;
    for (size_t i = 0; i < MEMBERS_MAX && o->members[i]; i++) {
        bool has = json_has(view, o->members[i]);
        ENSURE(has || is_optional(o->members[i]), E_INPUT, "%s: is missing", o->members[i]);
        num += has;
    }
    ENSURE(json_object_size(view->value) == num, E_INPUT, "%s: has a member it does not know", o->name);
    return RESULT_OK;
}

static must_check result take_policy(struct courier_request *r, const struct json_view *view)
{
    const char *text = NULL;
    size_t length = 0;
    TRY(json_get_text(&text, &length, view, "policy"));
    ENSURE(length > 0 && length <= IPC_POLICY_MAX, E_INPUT, "policy: must have from 1 to %d bytes",
           IPC_POLICY_MAX);
    return buffer_append(&r->policy, text, length);
}

/* "" is said by who hands in none. */
static must_check result take_access(struct courier_request *r, const struct json_view *view)
{
    const char *text = NULL;
    size_t length = 0;
    TRY(json_get_text(&text, &length, view, "access"));
    ENSURE(length <= IPC_ACCESS_MAX, E_INPUT, "access: must have at most %d bytes", IPC_ACCESS_MAX);
    return buffer_append(&r->access, text, length);
}

static must_check result take_credentials(struct courier_request *r, const struct json_view *view)
{
    struct json_view credential;
    const char *id = NULL, *key = NULL, *token = NULL;
    TRY(json_get_object(&credential, view, "credential"));
    TRY(json_get_text(&id, NULL, &credential, "access_key_id"));
    TRY(json_get_text(&key, NULL, &credential, "secret_access_key"));
    TRY(json_get_text(&token, NULL, &credential, "token"));
    ENSURE(json_object_size(credential.value) == CREDENTIAL_MEMBERS, E_INPUT,
           "credential: has a member it does not know");
    result made = aws_credentials_new(&r->credentials, id, key, token);
    return made.code ? error_prefix(made, "credential") : made;
}

/* Appends one decoded ciphertext; the array of records has room. */
static must_check result take_ciphertext(struct courier_request *r, struct courier_record record,
                                         const char *text, size_t text_len)
{
    size_t length = 0;
    ENSURE(text_len <= BASE64_LENGTH(COURIER_CIPHERTEXT_MAX), E_INPUT, "must have at most %d bytes",
           COURIER_CIPHERTEXT_MAX);
    TRY(buffer_reserve(&r->ciphertexts, BASE64_DECODED_MAX(text_len)));
    TRY(base64_decode(r->ciphertexts.data + r->ciphertexts.length, &length, BASE64_DECODED_MAX(text_len),
                      text, text_len));
    ENSURE(length > 0 && length <= COURIER_CIPHERTEXT_MAX, E_INPUT, "must have from 1 to %d bytes",
           COURIER_CIPHERTEXT_MAX);
    record.offset = (uint32_t)r->ciphertexts.length;
    record.length = (uint32_t)length;
    r->ciphertexts.length += length;
    r->records[r->num_records++] = record;
    return RESULT_OK;
}

static must_check result take_tls_key(struct courier_request *r, const struct json_view *view)
{
    const char *text = NULL;
    size_t length = 0;
    TRY(json_get_text(&text, &length, view, "encrypted_tls_key"));
    result taken = take_ciphertext(r, (struct courier_record){.kind = IPC_RECORD_TLS}, text, length);
    return taken.code ? json_blame(taken, view, "encrypted_tls_key") : taken;
}

static must_check result take_validator_keys(struct courier_request *r, const struct json_view *view)
{
    struct json_view keys;
    TRY(json_get_array(&keys, view, "encrypted_validator_keys", COURIER_RECORDS_MAX));
    size_t num = json_array_size(keys.value);
    for (size_t i = 0; i < num; i++) {
        const char *text = NULL;
        size_t length = 0;
        TRY(json_element_text(&text, &length, &keys, i));
        const struct courier_record record = {.kind = IPC_RECORD_VALIDATOR, .index = (uint32_t)i};
        result taken = take_ciphertext(r, record, text, length);
        if (taken.code)
            return error_prefix(taken, "encrypted_validator_keys[%zu]", i);
    }
    r->num_keys = (uint32_t)num;
    return RESULT_OK;
}

static must_check result take_pubkey(struct courier_record *record, const char *text, size_t text_len)
{
    static const uint8_t none[sizeof record->pubkey];
    ENSURE(text_len == 2 * sizeof record->pubkey, E_INPUT, "must have %zu hex digits",
           2 * sizeof record->pubkey);
    TRY(hex_decode(record->pubkey, sizeof record->pubkey, text, text_len));
    ENSURE(memcmp(record->pubkey, none, sizeof none) != 0, E_INPUT, "must not be zero");
    record->has_pubkey = true;
    return RESULT_OK;
}

/* One for each of the list before, whose records are the last ones so far. */
static must_check result take_pubkeys(struct courier_request *r, const struct json_view *view)
{
    struct json_view pubkeys;
    if (!json_has(view, pubkeys_member))
        return RESULT_OK;
    TRY(json_get_array(&pubkeys, view, pubkeys_member, COURIER_RECORDS_MAX));
    ENSURE(json_array_size(pubkeys.value) == r->num_keys, E_INPUT,
           "%s: must be as many as encrypted_validator_keys", pubkeys_member);
    struct courier_record *records = r->records + (r->num_records - r->num_keys);
    for (size_t i = 0; i < r->num_keys; i++) {
        const char *text = NULL;
        size_t length = 0;
        TRY(json_element_text(&text, &length, &pubkeys, i));
        result taken = take_pubkey(&records[i], text, length);
        if (taken.code)
            return error_prefix(taken, "%s[%zu]", pubkeys_member, i);
    }
    return RESULT_OK;
}

static must_check result take_uuid(struct courier_batch *batch, const char *text, size_t text_len)
{
    static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    ENSURE(text_len >= 1 && text_len <= IPC_UUID_MAX && strspn(text, allowed) == text_len, E_INPUT,
           "web3signer_uuid: must have from 1 to %d letters, digits, - and _", IPC_UUID_MAX);
    memcpy(batch->uuid, text, text_len);
    return RESULT_OK;
}

static must_check result take_sealed(struct courier_request *r, struct courier_batch *batch, const char *text,
                                     size_t text_len)
{
    size_t length = 0;
    ENSURE(text_len <= BASE64_LENGTH((size_t)IPC_LOAD_KEYS_MAX * IPC_SEALED_LEN), E_INPUT,
           "keys: more than %d keys", IPC_LOAD_KEYS_MAX);
    TRY(buffer_reserve(&r->ciphertexts, BASE64_DECODED_MAX(text_len)));
    result decoded = base64_decode(r->ciphertexts.data + r->ciphertexts.length, &length,
                                   BASE64_DECODED_MAX(text_len), text, text_len);
    if (decoded.code)
        return error_prefix(decoded, "keys");
    ENSURE(length > 0 && length % IPC_SEALED_LEN == 0, E_INPUT, "keys: must have a multiple of %d bytes",
           IPC_SEALED_LEN);
    batch->index = r->num_keys;
    batch->offset = (uint32_t)r->ciphertexts.length;
    batch->num_keys = (uint32_t)(length / IPC_SEALED_LEN);
    ENSURE(r->num_keys + batch->num_keys <= IPC_LOAD_KEYS_MAX, E_INPUT, "keys: more than %d in all",
           IPC_LOAD_KEYS_MAX);
    r->ciphertexts.length += length;
    r->num_keys += batch->num_keys;
    return RESULT_OK;
}

static must_check result take_batch(struct courier_request *r, const struct json_view *view)
{
    struct courier_batch *batch = &r->batches[r->num_batches];
    const struct courier_record record = {.kind = IPC_RECORD_DATA_KEY, .index = (uint32_t)r->num_batches};
    const char *uuid = NULL, *data_key = NULL, *keys = NULL;
    size_t uuid_len = 0, data_key_len = 0, keys_len = 0;
    TRY(json_get_text(&uuid, &uuid_len, view, "web3signer_uuid"));
    TRY(json_get_text(&data_key, &data_key_len, view, "encrypted_data_key"));
    TRY(json_get_text(&keys, &keys_len, view, "keys"));
    ENSURE(json_object_size(view->value) == BATCH_MEMBERS, E_INPUT, "has a member it does not know");
    TRY(take_uuid(batch, uuid, uuid_len));
    result taken = take_ciphertext(r, record, data_key, data_key_len);
    if (taken.code)
        return error_prefix(taken, "encrypted_data_key");
    TRY(take_sealed(r, batch, keys, keys_len));
    r->num_batches++;
    return RESULT_OK;
}

static must_check result take_batches(struct courier_request *r, const struct json_view *view)
{
    struct json_view list, one;
    if (!json_has(view, sealed_member))
        return RESULT_OK;
    TRY(json_get_array(&list, view, sealed_member, COURIER_BATCHES_MAX));
    for (size_t i = 0; i < json_array_size(list.value); i++) {
        TRY(json_element_object(&one, &list, i));
        result taken = take_batch(r, &one);
        if (taken.code)
            return error_prefix(taken, "%s[%zu]", sealed_member, i);
    }
    return RESULT_OK;
}

static must_check result take_keys(struct courier_request *r, const struct json_view *view)
{
    TRY(take_validator_keys(r, view));
    TRY(take_pubkeys(r, view));
    TRY(take_batches(r, view));
    ENSURE(r->num_keys > 0, E_INPUT,
           "encrypted_validator_keys: must not be empty when there are no sealed_validator_keys");
    return RESULT_OK;
}

/* Arrays as long as the lists, whatever is in them; their limits are checked when they are read. */
static must_check result make_room(struct courier_request *r, const struct json_view *view)
{
    size_t batches = json_array_size(json_object_get(view->value, sealed_member));
    size_t num = 1 + batches + json_array_size(json_object_get(view->value, "encrypted_validator_keys"));
    r->records = calloc(num, sizeof *r->records);
    r->batches = calloc(batches + 1, sizeof *r->batches);
    ENSURE(r->records && r->batches, E_MEMORY, "out of memory for %zu records", num);
    return RESULT_OK;
}

static must_check result take_nonce(struct courier_request *r, const struct json_view *view)
{
    const char *text = NULL;
    size_t text_len = 0, length = 0;
    TRY(json_get_text(&text, &text_len, view, "nonce"));
    result taken = base64_decode(r->nonce, &length, sizeof r->nonce, text, text_len);
    if (taken.code == E_TOO_LARGE)
        taken = error_set(E_INPUT, "must have at most %d bytes", IPC_NONCE_MAX);
    if (taken.code)
        return json_blame(taken, view, "nonce");
    r->nonce_len = (uint32_t)length;
    return RESULT_OK;
}

static must_check result take_all(struct courier_request *r, const struct json_view *view)
{
    const struct operation *o = NULL;
    TRY(find_operation(&o, view));
    TRY(check_members(view, o));
    r->operation = o->operation;
    switch (o->operation) {
    case COURIER_INIT:
        TRY(take_policy(r, view));
        TRY(take_access(r, view));
        TRY(take_credentials(r, view));
        TRY(make_room(r, view));
        TRY(take_tls_key(r, view));
        return take_keys(r, view);
    case COURIER_RELOAD:
        TRY(make_room(r, view));
        return take_keys(r, view);
    case COURIER_CREDENTIALS:
        return take_credentials(r, view);
    case COURIER_ATTEST:
        return take_nonce(r, view);
    case COURIER_INIT_STATE:
    case COURIER_STATUS:
        return RESULT_OK;
    }
    FAIL(E_INTERNAL, "operation table is wrong");
}

result courier_request_parse(struct courier_request *ret_request, const char *text, size_t text_len)
{
    AUTO_POINTER(json_t) root = NULL;
    AUTO(courier_request) request = {0};
    struct json_view view;
    TRY(json_read(&root, text, text_len, COURIER_MESSAGE_MAX, VALUES_MAX));
    TRY(json_view_root(&view, root));
    TRY(take_all(&request, &view));
    *ret_request = request;
    request = (struct courier_request){0};
    return RESULT_OK;
}

result courier_request_put_first(struct courier_request *request, enum ipc_record_kind kind,
                                 const uint8_t *ciphertext, uint32_t ciphertext_len)
{
    struct courier_record *records = calloc(request->num_records + 1, sizeof *records);
    ENSURE(records, E_MEMORY, "out of memory for %zu records", request->num_records + 1);
    if (request->num_records)
        memcpy(records + 1, request->records, request->num_records * sizeof *records);
    records[0] = (struct courier_record){
        .kind = kind, .offset = (uint32_t)request->ciphertexts.length, .length = ciphertext_len};
    free(request->records);
    request->records = records;
    request->num_records++;
    return buffer_append(&request->ciphertexts, ciphertext, ciphertext_len);
}

void courier_request_cleanup(struct courier_request *request)
{
    buffer_cleanup(&request->policy);
    buffer_cleanup(&request->access);
    aws_credentials_cleanup(&request->credentials);
    buffer_cleanup(&request->ciphertexts);
    free(request->records);
    free(request->batches);
    *request = (struct courier_request){0};
}
