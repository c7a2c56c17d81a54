/* policy.c - one text, one policy, in both directions.
 *
 * That a document has one form only is not left to the strictness of each field's parser: what was
 * parsed is written out again and must be the same bytes. Likewise what is written is parsed before
 * it is handed out, so a value with a newline in it cannot smuggle a line in. Rejected: JSON or
 * CBOR with canonical rules; the operator reads and signs off this text, and a hash is made of it.
 */
#include "policy/policy.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/hex.h"
#include "base/options.h"

static must_check result take_format(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)p, (void)fork;
    ENSURE(strcmp(value, "1") != 0, E_INPUT,
           "version 1 lacks settings that decide safety and is not read: make a new document");
    ENSURE(strcmp(value, "2") != 0, E_INPUT,
           "version 2 does not say who may connect and is not read: make a new document");
    ENSURE(strcmp(value, "3") == 0, E_INPUT, "must be 3");
    return RESULT_OK;
}

static must_check result copy_text(char *out, size_t out_capacity, const char *value)
{
    size_t length = strlen(value);
    ENSURE(length < out_capacity, E_INPUT, "must have at most %zu characters", out_capacity - 1);
    memcpy(out, value, length + 1);
    return RESULT_OK;
}

result policy_set_far_future(struct policy *policy, const char *text)
{
    uint64_t epochs = 0;
    bool bounded = strcmp(text, "any") != 0;
    if (bounded)
        TRY(parse_u64(&epochs, text));
    ENSURE(epochs <= POLICY_FAR_FUTURE_MAX, E_INPUT, "must be 0 to %d, or any", POLICY_FAR_FUTURE_MAX);
    policy->has_far_future = bounded;
    policy->far_future_epochs = epochs;
    return RESULT_OK;
}

static must_check result take_network(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)fork;
    return copy_text(p->network.name, sizeof p->network.name, value);
}

static must_check result take_preset(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)fork;
    return eth2_preset_parse(&p->network.preset, value);
}

static must_check result take_genesis_time(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)fork;
    return parse_u64(&p->network.genesis_time, value);
}

static must_check result take_seconds_per_slot(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)fork;
    return parse_u64(&p->network.seconds_per_slot, value);
}

static must_check result take_version(struct policy *p, enum eth2_fork fork, const char *value)
{
    return hex_decode(p->network.fork_version[fork], ETH2_VERSION_LEN, value, strlen(value));
}

/* "VERSION EPOCH" or "VERSION never". */
static must_check result take_fork(struct policy *p, enum eth2_fork fork, const char *value)
{
    const char *space = strchr(value, ' ');
    ENSURE(space, E_INPUT, "must be a version and an epoch or \"never\"");
    TRY(hex_decode(p->network.fork_version[fork], ETH2_VERSION_LEN, value, (size_t)(space - value)));
    if (strcmp(space + 1, "never") == 0) {
        p->network.fork_epoch[fork] = ETH2_FAR_FUTURE;
        return RESULT_OK;
    }
    return parse_u64(&p->network.fork_epoch[fork], space + 1);
}

static must_check result take_genesis_root(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)fork;
    p->has_genesis_validators_root = strcmp(value, "any") != 0;
    if (!p->has_genesis_validators_root)
        return RESULT_OK;
    return hex_decode(p->genesis_validators_root, ETH2_ROOT_LEN, value, strlen(value));
}

static must_check result take_switch(bool *ret_on, const char *value)
{
    bool on = strcmp(value, "enabled") == 0;
    ENSURE(on || strcmp(value, "disabled") == 0, E_INPUT, "must be enabled or disabled");
    *ret_on = on;
    return RESULT_OK;
}

static must_check result take_protection(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)fork;
    return take_switch(&p->slashing_protection, value);
}

static must_check result take_store(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)fork;
    TRY(policy_set_store(p, value));
    ENSURE(p->store_kind != POLICY_STORE_NONE || !p->slashing_protection, E_INPUT,
           "must not be none while slashing_protection is enabled");
    return RESULT_OK;
}

static must_check result take_store_identity(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)fork;
    p->has_store_identity = strcmp(value, "none") != 0;
    if (!p->has_store_identity)
        return RESULT_OK;
    ENSURE(p->store_kind == POLICY_STORE_DYNAMODB, E_INPUT, "must be none unless the store is dynamodb");
    return hex_decode(p->store_identity, sizeof p->store_identity, value, strlen(value));
}

static must_check result take_store_mode(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)fork;
    p->single_mode = strcmp(value, "single") == 0;
    ENSURE(p->single_mode || strcmp(value, "fleet") == 0, E_INPUT, "must be single or fleet");
    switch (p->store_kind) {
    case POLICY_STORE_NONE:
    case POLICY_STORE_SQLITE:
        ENSURE(p->single_mode, E_INPUT, "must be single with this store");
        return RESULT_OK;
    case POLICY_STORE_POSTGRESQL:
        ENSURE(!p->single_mode, E_INPUT, "must be fleet with this store");
        return RESULT_OK;
    case POLICY_STORE_DYNAMODB:
        return RESULT_OK;
    }
    FAIL(E_INTERNAL, "no such store");
}

static must_check result take_far_future(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)fork;
    return policy_set_far_future(p, value);
}

static must_check result take_boot_floor(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)fork;
    TRY(take_switch(&p->boot_floor, value));
    ENSURE(!p->boot_floor || p->slashing_protection, E_INPUT,
           "must be disabled while slashing_protection is disabled");
    ENSURE(!p->boot_floor || p->network.genesis_time != 0, E_INPUT,
           "must be disabled with genesis_time 0: the epoch of the start cannot be known");
    return RESULT_OK;
}

static must_check result take_kms_key(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)fork;
    ENSURE(strcmp(value, "none") == 0 || strncmp(value, "arn:", 4) == 0, E_INPUT, "must be an ARN or none");
    return copy_text(p->kms_key, sizeof p->kms_key, value);
}

static must_check result take_region(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)fork;
    ENSURE(value[strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-")] == 0, E_INPUT,
           "must be the name of a region or none");
    return copy_text(p->region, sizeof p->region, value);
}

static must_check result take_access(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)fork;
    p->has_access = strcmp(value, "any") != 0;
    if (!p->has_access)
        return RESULT_OK;
    result r = hex_decode(p->access, sizeof p->access, value, strlen(value));
    ENSURE(!r.code, E_INPUT, "must be the SHA-256 of an access document, or any");
    return RESULT_OK;
}

static must_check result take_log_level(struct policy *p, enum eth2_fork fork, const char *value)
{
    (void)fork;
    return log_level_parse(&p->log_level, value);
}

static const struct line {
    const char *name;
    result (*take)(struct policy *p, enum eth2_fork fork, const char *value);
    enum eth2_fork fork;
} lines[] = {
    {"nitro-signer-policy", take_format, ETH2_PHASE0},
    {"network", take_network, ETH2_PHASE0},
    {"preset", take_preset, ETH2_PHASE0},
    {"genesis_time", take_genesis_time, ETH2_PHASE0},
    {"seconds_per_slot", take_seconds_per_slot, ETH2_PHASE0},
    {"phase0_fork_version", take_version, ETH2_PHASE0},
    {"altair_fork", take_fork, ETH2_ALTAIR},
    {"bellatrix_fork", take_fork, ETH2_BELLATRIX},
    {"capella_fork", take_fork, ETH2_CAPELLA},
    {"deneb_fork", take_fork, ETH2_DENEB},
    {"electra_fork", take_fork, ETH2_ELECTRA},
    {"fulu_fork", take_fork, ETH2_FULU},
    {"gloas_fork", take_fork, ETH2_GLOAS},
    {"heze_fork", take_fork, ETH2_HEZE},
    {"genesis_validators_root", take_genesis_root, ETH2_PHASE0},
    {"slashing_protection", take_protection, ETH2_PHASE0},
    {"store", take_store, ETH2_PHASE0},
    {"store_identity", take_store_identity, ETH2_PHASE0},
    {"store_mode", take_store_mode, ETH2_PHASE0},
    {"far_future_epochs", take_far_future, ETH2_PHASE0},
    {"boot_floor", take_boot_floor, ETH2_PHASE0},
    {"kms_key", take_kms_key, ETH2_PHASE0},
    {"region", take_region, ETH2_PHASE0},
    {"access", take_access, ETH2_PHASE0},
    {"log_level", take_log_level, ETH2_PHASE0},
};

/* The value of the next line, which must be of that name. */
static must_check result next_value(struct cursor *text, char ret_value[static POLICY_VALUE_MAX],
                                    const char *name)
{
    size_t name_len = strlen(name);
    const uint8_t *end = text->left ? memchr(text->at, '\n', text->left) : NULL;
    ENSURE(end, E_INPUT, "is missing");
    size_t length = (size_t)(end - text->at);
    const char *start = (const char *)text->at;
    ENSURE(length > name_len && memcmp(start, name, name_len) == 0 && start[name_len] == ' ', E_INPUT,
           "must be the line here");
    const char *value = start + name_len + 1;
    size_t value_len = length - name_len - 1;
    ENSURE(value_len > 0 && value_len < POLICY_VALUE_MAX, E_INPUT, "must have 1 to %d characters",
           POLICY_VALUE_MAX - 1);
    for (size_t i = 0; i < value_len; i++)
        ENSURE(value[i] >= ' ' && value[i] <= '~', E_INPUT, "must be printable ASCII");
    memcpy(ret_value, value, value_len);
    ret_value[value_len] = 0;
    text->at += length + 1;
    text->left -= length + 1;
    return RESULT_OK;
}

static const char *switch_name(bool on)
{
    return on ? "enabled" : "disabled";
}

static must_check result append_fork(struct buffer *out, const struct policy *policy, enum eth2_fork fork)
{
    char version[2 * ETH2_VERSION_LEN + 3];
    hex_encode_0x(version, policy->network.fork_version[fork], ETH2_VERSION_LEN);
    if (fork == ETH2_PHASE0)
        return buffer_printf(out, "phase0_fork_version %s\n", version);
    if (policy->network.fork_epoch[fork] == ETH2_FAR_FUTURE)
        return buffer_printf(out, "%s_fork %s never\n", eth2_fork_name(fork), version);
    return buffer_printf(out, "%s_fork %s %" PRIu64 "\n", eth2_fork_name(fork), version,
                         policy->network.fork_epoch[fork]);
}

static must_check result append_store(struct buffer *out, const struct policy *policy)
{
    char identity[2 * POLICY_STORE_IDENTITY_LEN + 3] = "none";
    if (policy->has_store_identity)
        hex_encode_0x(identity, policy->store_identity, POLICY_STORE_IDENTITY_LEN);
    TRY(buffer_printf(out, "store %s\nstore_identity %s\nstore_mode %s\n", policy->store, identity,
                      policy->single_mode ? "single" : "fleet"));
    if (policy->has_far_future)
        TRY(buffer_printf(out, "far_future_epochs %" PRIu64 "\n", policy->far_future_epochs));
    else
        TRY(buffer_append_text(out, "far_future_epochs any\n"));
    return buffer_printf(out, "boot_floor %s\n", switch_name(policy->boot_floor));
}

/* Writes without checking. */
static must_check result compose(struct buffer *out, const struct policy *policy)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    char root[2 * ETH2_ROOT_LEN + 3] = "any", access[2 * POLICY_DIGEST_LEN + 3] = "any";
    if (policy->has_genesis_validators_root)
        hex_encode_0x(root, policy->genesis_validators_root, ETH2_ROOT_LEN);
    if (policy->has_access)
        hex_encode_0x(access, policy->access, sizeof policy->access);
    ENSURE((size_t)policy->log_level < ARRAY_LENGTH(levels), E_INPUT, "log_level: is unknown");
    TRY(buffer_printf(out, "nitro-signer-policy 3\nnetwork %s\npreset %s\n", policy->network.name,
                      eth2_preset_name(policy->network.preset)));
    TRY(buffer_printf(out, "genesis_time %" PRIu64 "\nseconds_per_slot %" PRIu64 "\n",
                      policy->network.genesis_time, policy->network.seconds_per_slot));
    for (enum eth2_fork fork = ETH2_PHASE0; fork < ETH2_FORK_COUNT; fork++)
        TRY(append_fork(out, policy, fork));
    TRY(buffer_printf(out, "genesis_validators_root %s\nslashing_protection %s\n", root,
                      switch_name(policy->slashing_protection)));
    TRY(append_store(out, policy));
    return buffer_printf(out, "kms_key %s\nregion %s\naccess %s\nlog_level %s\n", policy->kms_key,
                         policy->region, access, levels[policy->log_level]);
}

static must_check result check_network(const struct eth2_network *network)
{
    result checked = eth2_network_check(network);
    return checked.code ? error_prefix(checked, "policy: network") : checked;
}

result policy_parse(struct policy *ret_policy, const char *text, size_t text_len)
{
    ENSURE(text_len <= POLICY_TEXT_MAX, E_INPUT, "policy: must have at most %d bytes", POLICY_TEXT_MAX);
    struct cursor rest = {(const uint8_t *)text, text_len};
    struct policy policy = {.slashing_protection = false};
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        char value[POLICY_VALUE_MAX];
        result r = next_value(&rest, value, lines[i].name);
        if (!r.code)
            r = lines[i].take(&policy, lines[i].fork, value);
        if (r.code)
            return error_prefix(r, "policy: line %zu, %s", i + 1, lines[i].name);
    }
    ENSURE(rest.left == 0, E_INPUT, "policy: something follows the last line");
    TRY(check_network(&policy.network));
    AUTO(buffer) canonical = {0};
    TRY(compose(&canonical, &policy));
    ENSURE(canonical.length == text_len && memcmp(canonical.data, text, text_len) == 0, E_INPUT,
           "policy: is not in its canonical form");
    *ret_policy = policy;
    return RESULT_OK;
}

result policy_format(struct buffer *out, const struct policy *policy)
{
    AUTO(buffer) text = {0};
    struct policy parsed;
    TRY(compose(&text, policy));
    TRY(policy_parse(&parsed, (const char *)text.data, text.length));
    ENSURE(parsed.store_kind == policy->store_kind &&
               strcmp(parsed.store_account, policy->store_account) == 0,
           E_INTERNAL, "policy: store_kind or store_account is not that of store");
    return buffer_append(out, text.data, text.length);
}

result policy_measure(uint8_t ret_pcr[static 48], const char *text, size_t text_len)
{
    ENSURE(text_len <= POLICY_TEXT_MAX, E_INPUT, "policy: must have at most %d bytes", POLICY_TEXT_MAX);
    uint8_t extended[48 + POLICY_TEXT_MAX] = {0};
    memcpy(extended + 48, text, text_len);
    ENSURE(EVP_Digest(extended, 48 + text_len, ret_pcr, NULL, EVP_sha384(), NULL) == 1, E_CRYPTO,
           "SHA-384 failed");
    return RESULT_OK;
}
