/* ctl_slashing_init.c - slashing init: the one way to begin a store with an identity.
 *
 * The head and at most 96 validators fit into one transaction. With more of them the head forbids everything
 * (a high watermark of zero) until the last are in, so that a store that was begun and not finished signs
 * nothing. Rejected: validators first and the head last, which would leave records that nobody owns. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "ctl_kms.h"
#include "ctl_report.h"
#include "ctl_slashing.h"
#include "slashing/slashing_history.h"
#include "slashing/slashing_sealed.h"

enum { FILE_MAX_GIB = 4 };

struct options {
    struct ctl_slashing_options reach;
    struct ctl_kms_options kms;
    const char *key_file, *genesis_validators_root, *from;
    bool without_key;
};

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    const struct option table[] = {
        CTL_SLASHING_ROWS(o->reach),
        {"kms-key", OPTION_TEXT, &o->kms.key_arn,
         "ARN of the KMS key that seals the store's key (the stack's, of its outputs)", 0, 0},
        {"kms-endpoint", OPTION_TEXT, &o->kms.endpoint, "URL of KMS (https://kms.REGION.amazonaws.com)", 0,
         0},
        {"kms-via", OPTION_TEXT, &o->kms.via, "address to connect to instead (none)", 0, 0},
        {"key-file", OPTION_FILE, &o->key_file,
         "instead of KMS: new file for the store's key, for the stand-alone program", 0, 0},
        {"without-key", OPTION_FLAG, &o->without_key,
         "instead of both: no key; seals then find mistakes, no forgery (false)", 0, 0},
        {"genesis-validators-root", OPTION_TEXT, &o->genesis_validators_root, "0x root of the network", 0, 0},
        {"from", OPTION_FILE, &o->from, "EIP-3076 file: its validators are enrolled with their marks (none)",
         0, 0},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_require(call, o->genesis_validators_root, "genesis-validators-root"));
    int ways = (o->kms.key_arn != NULL) + (o->key_file != NULL) + o->without_key;
    call->is_usage_error = ways > 1 || (ways == 0 && !o->reach.aws.stack);
    ENSURE(!call->is_usage_error, E_INPUT,
           "one of --kms-key, --key-file and --without-key: required (or --stack)");
    return RESULT_OK;
}

/* Its validators' histories; *h stays as it is without a file. */
static must_check result read_history(struct slashing_history *h, const char *path)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO_POINTER(json_stream) in = NULL;
    AUTO(slashing_history) history = {.num_validators = 0};
    ENSURE(fd >= 0, E_IO, "%s: %s", path, strerror(errno));
    TRY(json_stream_open(&in, fd, (uint64_t)FILE_MAX_GIB << 30));
    result r = slashing_history_read(&history, in);
    if (r.code)
        return error_prefix(r, "%s", path);
    ENSURE(memcmp(h->genesis_validators_root, history.genesis_validators_root, 32) == 0, E_MISMATCH,
           "%s: genesis_validators_root: is not that of --genesis-validators-root", path);
    *h = history;
    history = (struct slashing_history){.num_validators = 0};
    return RESULT_OK;
}

/* A new file, never one that is there: it may be another store's key. */
static must_check result write_key(const char *path, const struct secret *key)
{
    AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ENSURE(fd >= 0, E_IO, "--key-file: %s: %s", path, strerror(errno));
    TRY(file_write_full(fd, key->data, key->length));
    ENSURE(fsync(fd) == 0, E_IO, "--key-file: %s: %s", path, strerror(errno));
    return file_sync_folder_of(path);
}

static must_check result seal_by_kms(struct slashing_head *head, struct ctl_call *call,
                                     const struct ctl_aws *aws, const struct ctl_kms_options *options,
                                     const struct secret *key)
{
    AUTO(ctl_kms) kms = {0};
    AUTO(buffer) ciphertext = {0};
    TRY(ctl_kms_open_aws(&kms, call, aws, options));
    result r = aws_kms_encrypt(kms.client, &ciphertext, &kms.credentials, kms.key_arn, key);
    if (r.code)
        return error_prefix(r, "KMS Encrypt");
    ENSURE(ciphertext.length <= SLASHING_SEALED_KEY_MAX, E_PEER, "KMS Encrypt: the ciphertext is too long");
    memcpy(head->sealed_key, ciphertext.data, ciphertext.length);
    head->sealed_key_len = (uint32_t)ciphertext.length;
    return RESULT_OK;
}

/* A random key, kept where the options say; and the store's random name. */
static must_check result make_key(struct slashing_seal *ret_seal, struct slashing_head *head,
                                  struct ctl_aws *aws, struct ctl_call *call, const struct options *o)
{
    AUTO(secret) key = {0};
    struct ctl_kms_options kms = o->kms;
    if (!kms.key_arn && !o->key_file && !o->without_key)
        TRY(ctl_aws_output(&kms.key_arn, aws, call, "KMSKeyARN"));
    ENSURE(RAND_bytes(head->store_id, sizeof head->store_id) == 1, E_CRYPTO, "no randomness");
    if (o->without_key)
        TRY(secret_new(&key, SLASHING_SEAL_KEY_LEN)); /* zeros */
    else
        TRY(ctl_random(&key, SLASHING_SEAL_KEY_LEN));
    if (o->key_file)
        TRY(write_key(o->key_file, &key));
    if (kms.key_arn)
        TRY(seal_by_kms(head, call, aws, &kms, &key));
    return slashing_seal_open(ret_seal, &key, head->store_id);
}

static must_check result refuse_begun(struct slashing_store *store)
{
    struct slashing_head head;
    result r = slashing_store_head(store, &head);
    if (r.code == E_NOT_FOUND)
        return RESULT_OK;
    TRY(r);
    bool unfinished = head.has_high_watermark && head.high_epoch == 0 && head.high_slot == 0;
    FAIL(E_STATE, "%s",
         unfinished
             ? "this table was begun, and that was not finished: it signs nothing; delete it and begin "
               "again"
             : "this table is a store already: an existing store is never begun again");
}

/* In as many transactions as it takes; until the last the head forbids everything. */
static must_check result enrol(struct slashing_store *sealed, const struct slashing_head *head,
                               const struct slashing_history *h)
{
    struct slashing_head old = {0}, next = *head;
    for (size_t at = 0; at == 0 || at < h->num_validators;) {
        size_t left = h->num_validators - at,
               num = left < SLASHING_ENROLMENTS_MAX ? left : SLASHING_ENROLMENTS_MAX;
        next.num_validators += num;
        next.has_high_watermark = num < left; /* of zero */
        TRY(slashing_store_set_head(sealed, &old, &next, h->validators + at, num));
        TRY(slashing_store_head(sealed, &old));
        next = old;
        at += num ? num : 1;
    }
    return RESULT_OK;
}

static must_check result print_identity(const struct ctl_aws *aws,
                                        const uint8_t identity[static SLASHING_IDENTITY_LEN])
{
    char digits[2 * SLASHING_IDENTITY_LEN + 1];
    if (!aws->json) {
        ctl_slashing_print_bytes("", identity, SLASHING_IDENTITY_LEN);
        return RESULT_OK;
    }
    hex_encode(digits, identity, SLASHING_IDENTITY_LEN);
    AUTO_POINTER(json_t) object = json_pack("{s:s+}", "store_identity", "0x", digits);
    return ctl_print_json(object);
}

static must_check result begin(struct ctl_aws *aws, struct ctl_call *call, const struct options *o,
                               const struct slashing_history *h)
{
    AUTO_POINTER(slashing_store) store = NULL;
    AUTO(slashing_seal) seal = {0};
    AUTO_POINTER(slashing_store) sealed = NULL;
    struct slashing_head head = {.has_genesis = true};
    uint8_t identity[SLASHING_IDENTITY_LEN];
    bool created = false;
    memcpy(head.genesis_validators_root, h->genesis_validators_root, sizeof head.genesis_validators_root);
    TRY(ctl_slashing_open(&store, aws, call, &o->reach));
    TRY(slashing_dynamodb_create_table(store, &created));
    TRY(refuse_begun(store));
    TRY(make_key(&seal, &head, aws, call, o));
    TRY(slashing_sealed_open(&sealed, store, &seal));
    store = NULL;
    result r = enrol(sealed, &head, h);
    if (r.code)
        return error_prefix(r, "the store may be begun, and is not finished");
    TRY(slashing_seal_identity(identity, &seal));
    return print_identity(aws, identity);
}

result ctl_slashing_init(struct ctl_call *call)
{
    struct options o = {.without_key = false};
    AUTO(slashing_history) h = {.num_validators = 0};
    AUTO(ctl_aws) aws = {.json = false};
    TRY(parse_options(&o, call));
    result r = hex_decode(h.genesis_validators_root, sizeof h.genesis_validators_root,
                          o.genesis_validators_root, strlen(o.genesis_validators_root));
    call->is_usage_error = r.code != 0;
    if (r.code)
        return error_prefix(r, "--genesis-validators-root");
    TRY(ctl_aws_open(&aws, call, &o.reach.aws));
    if (o.from)
        TRY(read_history(&h, o.from));
    return begin(&aws, call, &o, &h);
}
