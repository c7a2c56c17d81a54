/* interchange_cases.c - the interchange tests of eth-clients on any store: each step's file is imported, then
 * each message is decided on and, where that is allowed, made durable. */
#include "testing.h"

#include <glob.h>

#include "base/file_io.h"
#include "slashing/slashing_interchange.h"
#include "store_conformance.h"
#include "json/json.h"

enum { KEYS_MAX = 64, CASES = 38 };

/* The validators that a case speaks of. */
struct keys {
    uint8_t list[KEYS_MAX][48];
    size_t num;
};

static void add_key(struct keys *keys, const struct json_view *from)
{
    uint8_t key[48];
    assert_ok(json_get_hex(key, sizeof key, from, "pubkey"));
    for (size_t i = 0; i < keys->num; i++)
        if (memcmp(keys->list[i], key, sizeof key) == 0)
            return;
    assert_true(keys->num < KEYS_MAX);
    memcpy(keys->list[keys->num++], key, sizeof key);
}

static void add_keys_of(struct keys *keys, const struct json_view *object, const char *list)
{
    struct json_view rows, row;
    assert_ok(json_get_array(&rows, object, list, 1000));
    for (size_t i = 0; i < json_array_size(rows.value); i++) {
        assert_ok(json_element_object(&row, &rows, i));
        add_key(keys, &row);
    }
}

static void collect_keys(struct keys *keys, const struct json_view *steps)
{
    struct json_view step, interchange;
    for (size_t i = 0; i < json_array_size(steps->value); i++) {
        assert_ok(json_element_object(&step, steps, i));
        assert_ok(json_get_object(&interchange, &step, "interchange"));
        add_keys_of(keys, &interchange, "data");
        add_keys_of(keys, &step, "blocks");
        add_keys_of(keys, &step, "attestations");
    }
}

static result import_value(struct slashing_store *store, const json_t *value)
{
    char *text = json_dumps(value, 0);
    AUTO_POINTER(json_stream) in = NULL;
    size_t num_validators;
    assert_ok(json_stream_open_text(&in, text, strlen(text)));
    result r = slashing_interchange_import(store, &num_validators, in);
    free(text);
    return r;
}

static const struct slashing_limits no_limits;

/* Signs as the keeper does: decide on the stored record, then make the next one durable. */
static enum slashing_verdict try_to_sign(struct slashing_store *store, const struct json_view *message,
                                         const struct eth2_order *order)
{
    uint8_t root[32] = {0};
    struct slashing_advance advance = {0};
    assert_ok(json_get_hex(advance.pubkey, 48, message, "pubkey"));
    if (json_has(message, "signing_root"))
        assert_ok(json_get_hex(root, 32, message, "signing_root"));
    assert_ok(slashing_store_load(store, &advance.old, advance.pubkey));
    enum slashing_verdict verdict = slashing_decide(&advance.next, &advance.old, &no_limits, order, root);
    if (verdict == SLASHING_ALLOW_NEW) {
        assert_ok(slashing_store_advance(store, &advance, 1));
        assert_true(advance.done);
    }
    return verdict;
}

static void read_order(struct eth2_order *out, const struct json_view *row, bool is_block)
{
    *out = (struct eth2_order){.kind = is_block ? ETH2_ORDER_BLOCK : ETH2_ORDER_ATTESTATION};
    if (is_block) {
        assert_ok(json_get_u64(&out->of.header.slot, row, "slot"));
        return;
    }
    assert_ok(json_get_u64(&out->of.attestation.source.epoch, row, "source_epoch"));
    assert_ok(json_get_u64(&out->of.attestation.target.epoch, row, "target_epoch"));
}

/* Exactly what the minimal conditions ask, and beyond them only the very same message again, which the
 * complete conditions allow. */
static void check_messages(struct slashing_store *store, const struct json_view *step, const char *list,
                           const char *path, int *messages)
{
    struct json_view rows, row;
    struct eth2_order order;
    bool minimal, complete;
    assert_ok(json_get_array(&rows, step, list, 1000));
    for (size_t i = 0; i < json_array_size(rows.value); i++) {
        assert_ok(json_element_object(&row, &rows, i));
        assert_ok(json_get_bool(&minimal, &row, "should_succeed"));
        assert_ok(json_get_bool(&complete, &row, "should_succeed_complete"));
        read_order(&order, &row, strcmp(list, "blocks") == 0);
        enum slashing_verdict verdict = try_to_sign(store, &row, &order);
        bool wanted = minimal || (complete && verdict == SLASHING_ALLOW_REPEAT);
        if (slashing_allows(verdict) != wanted)
            fail_msg("%s: %s %zu: %s", path, list, i, slashing_verdict_name(verdict));
        (*messages)++;
    }
}

static void check_step(struct slashing_store *store, const struct json_view *step, const char *path,
                       int *messages)
{
    bool succeed;
    assert_ok(json_get_bool(&succeed, step, "should_succeed"));
    /* Slashable data is folded, never refused, so contains_slashable_data gives no leave to skip anything. */
    result imported = import_value(store, json_object_get(step->value, "interchange"));
    if (succeed != (imported.code == E_NONE))
        fail_msg("%s: import: %s", path, imported.code ? error_text() : "succeeded");
    check_messages(store, step, "blocks", path, messages);
    check_messages(store, step, "attestations", path, messages);
}

/* The tests' order of initialisation: an empty store locked to the case's genesis validators root. */
static void run_case(struct conformance_target *target, const char *path, int *messages)
{
    AUTO_POINTER(json_t) root = NULL;
    AUTO(buffer) text = {0};
    struct json_view view, steps, step;
    struct keys keys = {.num = 0};
    uint8_t genesis[32];
    assert_ok(file_read(&text, path, 1 << 20));
    assert_ok(json_read(&root, (const char *)text.data, text.length, 1 << 20, 100000));
    assert_ok(json_view_root(&view, root));
    assert_ok(json_get_hex(genesis, 32, &view, "genesis_validators_root"));
    assert_ok(json_get_array(&steps, &view, "steps", 100));
    collect_keys(&keys, &steps);
    target->begin(target, (const uint8_t(*)[48])keys.list, keys.num);
    struct slashing_store *store = target->open(target);
    assert_ok(slashing_store_lock_genesis(store, genesis));
    for (size_t i = 0; i < json_array_size(steps.value); i++) {
        assert_ok(json_element_object(&step, &steps, i));
        check_step(store, &step, path, messages);
    }
    slashing_store_close(store);
}

void interchange_cases_run(struct conformance_target *target)
{
    char pattern[512];
    vector_path(pattern, sizeof pattern, "slashing-interchange/tests/generated/*.json");
    glob_t found = {0};
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, CASES);
    int messages = 0;
    for (size_t i = 0; i < found.gl_pathc; i++)
        run_case(target, found.gl_pathv[i], &messages);
    globfree(&found);
    assert_true(messages > 100);
}
