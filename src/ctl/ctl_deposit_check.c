/* ctl_deposit_check.c - the launchpad's rules: the form of the members (no "0x"), the amount, the version of
 * the tool, both roots, and the signature. Beyond it the withdrawal credentials' form is checked, since what
 * is sent there cannot be got back, and up to 2048 ETH are allowed with credentials of type 0x02 (EIP-7251).
 */
#include "ctl_deposit_check.h"

#include <stdlib.h>
#include <string.h>

#include "base/hex.h"

#define GWEI_PER_ETH UINT64_C(1000000000)
enum { LEAST_ETH = 1, MOST_ETH = 32, MOST_ETH_COMPOUNDING = 2048, ADDRESS_AT = 12, VERSION_PARTS = 3 };

/* Digits of exactly so many bytes, lower case or upper, without 0x. */
static must_check result get_digits(uint8_t *out, size_t out_len, const struct json_view *datum,
                                    const char *name)
{
    const char *text;
    size_t length;
    TRY(json_get_text(&text, &length, datum, name));
    result r = length == 2 * out_len ? hex_decode(out, out_len, text, length)
                                     : error_set(E_INPUT, "must have %zu hexadecimal digits", 2 * out_len);
    return r.code ? json_blame(r, datum, name) : r;
}

/* A JSON number, not a text: the launchpad looks at its type. */
static must_check result get_amount(uint64_t *ret_gwei, const struct json_view *datum)
{
    bool is_number = json_is_integer(json_object_get(datum->value, "amount"));
    result r = is_number ? RESULT_OK : error_set(E_INPUT, "must be a whole number of gwei");
    return r.code ? json_blame(r, datum, "amount") : json_get_u64(ret_gwei, datum, "amount");
}

static must_check result read(struct ctl_deposit *d, const struct json_view *datum)
{
    TRY(get_digits(d->message.pubkey, sizeof d->message.pubkey, datum, "pubkey"));
    TRY(get_digits(d->message.withdrawal_credentials, 32, datum, "withdrawal_credentials"));
    TRY(get_amount(&d->message.amount, datum));
    TRY(get_digits(d->signature, sizeof d->signature, datum, "signature"));
    TRY(get_digits(d->message_root, 32, datum, "deposit_message_root"));
    return get_digits(d->data_root, 32, datum, "deposit_data_root");
}

static bool all_zero(const uint8_t *bytes, size_t bytes_len)
{
    for (size_t i = 0; i < bytes_len; i++) {
        if (bytes[i])
            return false;
    }
    return true;
}

static must_check result check_credentials(const uint8_t credentials[static 32])
{
    uint8_t type = credentials[0];
    ENSURE(type <= 2, E_INPUT, "must begin with 00, 01 or 02");
    if (type == 0)
        return RESULT_OK;
    ENSURE(all_zero(credentials + 1, ADDRESS_AT - 1), E_INPUT, "must have 11 zero bytes behind %02x", type);
    ENSURE(!all_zero(credentials + ADDRESS_AT, 32 - ADDRESS_AT), E_INPUT, "must not have the zero address");
    return RESULT_OK;
}

static must_check result check_amount(const struct ctl_deposit *d)
{
    uint64_t most = d->message.withdrawal_credentials[0] == 2 ? MOST_ETH_COMPOUNDING : MOST_ETH;
    ENSURE(d->message.amount >= LEAST_ETH * GWEI_PER_ETH && d->message.amount <= most * GWEI_PER_ETH, E_INPUT,
           "must be from %d to %llu ETH with these withdrawal credentials, in gwei", LEAST_ETH,
           (unsigned long long)most);
    return RESULT_OK;
}

/* Three numbers with dots between them, 1.0.0 or later. */
static must_check result check_version(const char *text)
{
    int parts = 0;
    bool is_zero = true;
    const char *at = text;
    for (; parts < VERSION_PARTS; parts++) {
        size_t length = strspn(at, "0123456789");
        ENSURE(length > 0 && length < 6, E_INPUT, "must be like 2.7.0");
        is_zero = parts == 0 ? strspn(at, "0") == length : is_zero;
        at += length;
        if (*at != '.')
            break;
        at++;
    }
    ENSURE(*at == 0 && parts == VERSION_PARTS - 1, E_INPUT, "must be like 2.7.0");
    ENSURE(!is_zero, E_INPUT, "must be 1.0.0 or later");
    return RESULT_OK;
}

/* Older tools call it eth2_network_name. */
static must_check result check_network(struct eth2_network *ret_network, const struct json_view *datum,
                                       const struct eth2_network *wanted)
{
    uint8_t version[ETH2_VERSION_LEN];
    const char *name, *member = json_has(datum, "network_name") ? "network_name" : "eth2_network_name";
    if (!json_has(datum, member))
        member = "network_name";
    TRY(json_get_text(&name, NULL, datum, member));
    result r = RESULT_OK;
    if (wanted)
        *ret_network = *wanted;
    else if (eth2_network_by_name(ret_network, name).code)
        r = error_set(E_INPUT, "is of no network that is known here: --network says which it is");
    if (!r.code && strcmp(name, ret_network->name) != 0)
        r = error_set(E_MISMATCH, "must be %s", ret_network->name);
    if (r.code)
        return json_blame(r, datum, member);
    TRY(get_digits(version, sizeof version, datum, "fork_version"));
    r = memcmp(version, ret_network->fork_version[ETH2_PHASE0], sizeof version) == 0
            ? RESULT_OK
            : error_set(E_MISMATCH, "is not the genesis fork version of %s", ret_network->name);
    return r.code ? json_blame(r, datum, "fork_version") : r;
}

static must_check result check_roots(const struct ctl_deposit *d, const struct json_view *datum,
                                     const struct eth2_network *network)
{
    struct ctl_deposit right = *d;
    uint8_t signing_root[ETH2_ROOT_LEN];
    TRY(ctl_deposit_signing_root(signing_root, &right, network));
    if (memcmp(right.message_root, d->message_root, 32) != 0)
        return json_blame(error_set(E_MISMATCH, "is not that of the message"), datum, "deposit_message_root");
    ctl_deposit_data_root(&right);
    if (memcmp(right.data_root, d->data_root, 32) != 0)
        return json_blame(error_set(E_MISMATCH, "is not that of the data"), datum, "deposit_data_root");
    result r = bls_pubkey_check(d->message.pubkey);
    if (r.code)
        return json_blame(r, datum, "pubkey");
    r = bls_verify(d->message.pubkey, d->signature, signing_root, sizeof signing_root);
    return r.code
               ? json_blame(error_set(E_MISMATCH, "is not the key's over this deposit on %s", network->name),
                            datum, "signature")
               : r;
}

result ctl_deposit_check(struct ctl_deposit *ret_deposit, const struct json_view *datum,
                         const struct eth2_network *wanted)
{
    struct eth2_network network;
    const char *version;
    TRY(read(ret_deposit, datum));
    result r = check_credentials(ret_deposit->message.withdrawal_credentials);
    if (r.code)
        return json_blame(r, datum, "withdrawal_credentials");
    r = check_amount(ret_deposit);
    if (r.code)
        return json_blame(r, datum, "amount");
    TRY(json_get_text(&version, NULL, datum, "deposit_cli_version"));
    r = check_version(version);
    if (r.code)
        return json_blame(r, datum, "deposit_cli_version");
    TRY(check_network(&network, datum, wanted));
    return check_roots(ret_deposit, datum, &network);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, BLS_PUBKEY_LEN);
}

/* A validator that is deposited for twice has the second amount locked up until it exits. */
static must_check result check_twice(uint8_t (*pubkeys)[BLS_PUBKEY_LEN], size_t num)
{
    qsort(pubkeys, num, sizeof *pubkeys, compare);
    for (size_t i = 1; i < num; i++) {
        char digits[2 * BLS_PUBKEY_LEN + 1];
        hex_encode(digits, pubkeys[i], BLS_PUBKEY_LEN);
        ENSURE(memcmp(pubkeys[i - 1], pubkeys[i], BLS_PUBKEY_LEN) != 0, E_MISMATCH,
               "pubkey: %s is there twice", digits);
    }
    return RESULT_OK;
}

static must_check result check_each(uint8_t (*pubkeys)[BLS_PUBKEY_LEN], const struct json_view *list,
                                    const struct eth2_network *network, ctl_see_deposit *see, void *context)
{
    for (size_t i = 0; i < json_array_size(list->value); i++) {
        struct json_view datum;
        struct ctl_deposit deposit = {0};
        TRY(json_element_object(&datum, list, i));
        TRY(ctl_deposit_check(&deposit, &datum, network));
        memcpy(pubkeys[i], deposit.message.pubkey, BLS_PUBKEY_LEN);
        if (see)
            TRY(see(context, &deposit));
    }
    return RESULT_OK;
}

result ctl_deposits_check(const json_t *list, const struct eth2_network *network, ctl_see_deposit *see,
                          void *context)
{
    const struct json_view view = {.value = list};
    size_t num = json_array_size(list);
    ENSURE(json_is_array(list) && num > 0, E_INPUT, "must be a list of deposits, not empty");
    ENSURE(num <= CTL_DEPOSITS_MAX, E_TOO_LARGE, "more than %d deposits", CTL_DEPOSITS_MAX);
    uint8_t(*pubkeys)[BLS_PUBKEY_LEN] = calloc(num, sizeof *pubkeys);
    ENSURE(pubkeys, E_MEMORY, "out of memory for %zu deposits", num);
    result r = check_each(pubkeys, &view, network, see, context);
    if (!r.code)
        r = check_twice(pubkeys, num);
    free(pubkeys);
    return r;
}
