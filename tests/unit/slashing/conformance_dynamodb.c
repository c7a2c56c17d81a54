/* conformance_dynamodb.c - a table as a target, for each beginning a new one, sealed with a fixed key. */
#include "testing.h"

#include "base/buffer.h"
#include "base/file_io.h"
#include "conformance_dynamodb.h"
#include "slashing/slashing_dynamodb.h"
#include "slashing/slashing_sealed.h"

enum { BEGIN_ATTEMPT_MS = 20000, BEGIN_DEADLINE_MS = 60000 };

static struct {
    struct slashing_dynamodb_config config;
    struct net_address via;
    struct buffer ca_pem;
    struct aws_credentials credentials;
    struct slashing_seal seal;
    char table[80];
    unsigned serial;
} dynamodb;

void conformance_dynamodb_configure(const struct conformance_dynamodb_options *o)
{
    struct secret key = {0};
    const uint8_t store_id[SLASHING_STORE_ID_LEN] = {1};
    assert_ok(secret_new(&key, SLASHING_SEAL_KEY_LEN));
    memset(key.data, 0x5a, key.length);
    assert_ok(slashing_seal_open(&dynamodb.seal, &key, store_id));
    assert_ok(aws_credentials_new(&dynamodb.credentials, o->access_key, o->secret_key, ""));
    assert_ok(file_read(&dynamodb.ca_pem, o->ca_file, 1 << 20));
    assert_ok(net_address_parse(&dynamodb.via, o->via));
    dynamodb.config = (struct slashing_dynamodb_config){.region = "us-east-1",
                                                        .table = dynamodb.table,
                                                        .account = o->account,
                                                        .via = &dynamodb.via,
                                                        .ca_pem = &dynamodb.ca_pem,
                                                        .connections = o->connections,
                                                        .attempt_timeout_ms = (int)o->attempt_timeout_ms,
                                                        .deadline_ms = (int)o->deadline_ms};
}

struct slashing_store *conformance_dynamodb_open_raw(void)
{
    struct slashing_store *store = NULL;
    assert_ok(slashing_dynamodb_open(&store, &dynamodb.config));
    conformance_dynamodb_authorise(store);
    return store;
}

void conformance_dynamodb_authorise(struct slashing_store *store)
{
    assert_ok(slashing_dynamodb_set_credentials(store, &dynamodb.credentials));
}

const struct slashing_seal *conformance_dynamodb_seal(void)
{
    return &dynamodb.seal;
}

static struct slashing_store *open_store(struct conformance_target *target)
{
    struct slashing_store *store = NULL;
    (void)target;
    assert_ok(slashing_sealed_open(&store, conformance_dynamodb_open_raw(), &dynamodb.seal));
    return store;
}

static void enrol(struct slashing_store *store, const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    struct slashing_head old = {.generation = 0}, next = {.generation = 0};
    struct slashing_enrolment enrolments[SLASHING_ENROLMENTS_MAX];
    for (size_t at = 0; at == 0 || at < num_pubkeys;) {
        size_t num = 0;
        for (; at + num < num_pubkeys && num < SLASHING_ENROLMENTS_MAX; num++) {
            enrolments[num] = (struct slashing_enrolment){.entry = {.stamp.generation = 0}};
            memcpy(enrolments[num].pubkey, pubkeys[at + num], 48);
        }
        next.num_validators += num;
        assert_ok(slashing_store_set_head(store, &old, &next, enrolments, num));
        assert_ok(slashing_store_head(store, &old));
        next = old;
        at += num ? num : 1;
    }
}

/* With time, however little the signers have: it is not what is tested, and DynamoDB Local takes its time on
 * a busy machine. */
static void create_table(void)
{
    const struct slashing_dynamodb_config impatient = dynamodb.config;
    dynamodb.config.account = NULL; /* there is no table yet */
    dynamodb.config.attempt_timeout_ms = BEGIN_ATTEMPT_MS;
    dynamodb.config.deadline_ms = BEGIN_DEADLINE_MS;
    struct slashing_store *raw = conformance_dynamodb_open_raw();
    dynamodb.config = impatient;
    bool created = false;
    assert_ok(slashing_dynamodb_create_table(raw, &created));
    slashing_store_close(raw);
}

static void begin(struct conformance_target *target, const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    struct slashing_store *store = NULL;
    (void)snprintf(dynamodb.table, sizeof dynamodb.table, "%s-%u", target->place, ++dynamodb.serial);
    create_table();
    struct slashing_store *raw = conformance_dynamodb_open_raw();
    assert_ok(slashing_sealed_open(&store, raw, &dynamodb.seal));
    enrol(store, pubkeys, num_pubkeys);
    slashing_store_close(store);
}

struct conformance_target conformance_dynamodb = {
    .name = "dynamodb", .has_identity = true, .several_handles = true, .begin = begin, .open = open_store};

/* With time to begin, however little the signers have. */
static void begin_patiently(struct conformance_target *target, const uint8_t (*pubkeys)[48],
                            size_t num_pubkeys)
{
    const struct slashing_dynamodb_config impatient = dynamodb.config;
    dynamodb.config.attempt_timeout_ms = BEGIN_ATTEMPT_MS;
    dynamodb.config.deadline_ms = BEGIN_DEADLINE_MS;
    begin(target, pubkeys, num_pubkeys);
    dynamodb.config = impatient;
}

static struct slashing_store *open_raw(struct conformance_target *target)
{
    (void)target;
    return conformance_dynamodb_open_raw();
}

struct conformance_target conformance_dynamodb_raw = {.name = "dynamodb",
                                                      .has_identity = true,
                                                      .several_handles = true,
                                                      .begin = begin_patiently,
                                                      .open = open_raw};
