/* test_eth2_api_signed.c - things that others have signed: launchpad deposits, an exit, registrations
 * of real validators. Where the secret key is known we sign too; where not, their signature must verify on
 * our root. */
#include "requests.h"

#include <inttypes.h>

#include "base/file_io.h"
#include "eth2/eth2_containers.h"

static json_t *deposit_request(const json_t *deposit, const json_t *amount, const char *fork_version)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, vector_u64(amount));
    return json_pack("{s:s, s:{s:s, s:s, s:s, s:s}}", "type", "DEPOSIT", "deposit", "pubkey",
                     vector_text(deposit, "pubkey", NULL), "withdrawal_credentials",
                     vector_text(deposit, "withdrawal_credentials", NULL), "amount", text,
                     "genesis_fork_version", fork_version);
}

static void check_deposit(uint8_t ret_root[static 32], const json_t *deposit, const json_t *amount,
                          const char *fork_version)
{
    struct eth2_network network = built_in("mainnet"); /* of no influence */
    struct eth2_order order;
    AUTO_POINTER(json_t) request = deposit_request(deposit, amount, fork_version);
    assert_request(&order, ret_root, &network, request, NULL, "deposit");
    assert_hex(vector_text(deposit, "deposit_message_root", NULL), order.of.object.root, 32,
               "deposit_message_root");
    assert_verifies(ret_root, vector_text(deposit, "pubkey", NULL), vector_text(deposit, "signature", NULL));
}

static void launchpad_deposits(void **state)
{
    (void)state;
    size_t run = 0;
    uint8_t root[32];
    AUTO_POINTER(json_t) groups = vector_json("deposit-data/staking-deposit-cli-via-lighthouse.json");
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const json_t *deposits = json_object_get(json_array_get(groups, i), "deposit_data");
        for (size_t j = 0; j < json_array_size(deposits); j++, run++) {
            const json_t *deposit = json_array_get(deposits, j);
            check_deposit(root, deposit, json_object_get(deposit, "amount"),
                          vector_text(deposit, "fork_version", NULL));
        }
    }
    assert_int_equal(run, 22);
    static const char *const files[] = {"deposit-data/web3signer-deposit_data-medalla.json",
                                        "deposit-data/web3signer-deposit_data-pyrmont.json"};
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        AUTO_POINTER(json_t) deposits = vector_json(files[i]);
        assert_int_equal(json_array_size(deposits), 2);
        for (size_t j = 0; j < 2; j++) {
            const json_t *deposit = json_array_get(deposits, j);
            check_deposit(root, deposit, json_object_get(deposit, "amount"),
                          vector_text(deposit, "fork_version", NULL));
        }
    }
}

static void ethdo_deposits(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) file = vector_json("deposit-data/ethdo-deposits.json");
    const json_t *deposits = json_object_get(file, "deposits");
    assert_int_equal(json_array_size(deposits), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *deposit = json_array_get(deposits, i);
        uint8_t root[32];
        check_deposit(root, deposit, json_object_get(file, "amount"),
                      vector_text(file, "fork_version", NULL));
        assert_signature(root, vector_text(deposit, "secret_key", NULL),
                         vector_text(deposit, "signature", NULL), "ethdo deposit");
    }
}

/* Signed over an all-zero domain, which no request can ask for: the object comes from the request, the domain
 * from here. */
static void ethdo_exit(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) file = vector_json("voluntary-exits/ethdo-exit.json");
    AUTO_POINTER(json_t)
    request = json_pack("{s:s, s:{s:{s:s, s:s, s:i}, s:s}, s:O}", "type", "voluntary_exit", "fork_info",
                        "fork", "previous_version", "0x00000000", "current_version", "0x00000000", "epoch", 0,
                        "genesis_validators_root",
                        "0x0000000000000000000000000000000000000000000000000000000000000000",
                        "voluntary_exit", json_object_get(file, "message"));
    struct eth2_network network = built_in("mainnet");
    struct eth2_order order;
    uint8_t root[32], domain[32];
    assert_request(&order, root, &network, request, NULL, "exit");
    vector_hex(domain, 32, vector_text(file, "domain", NULL));
    eth2_signing_data_root(root, order.of.object.root, domain);
    assert_signature(root, vector_text(file, "secret_key", NULL), vector_text(file, "expected", "signature"),
                     "ethdo exit");
}

static void real_registrations_of_holesky(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) file = vector_json("real-signed/commit-boost-registration_holesky.json");
    struct eth2_network network = built_in("holesky");
    assert_int_equal(json_array_size(file), 17);
    for (size_t i = 0; i < json_array_size(file); i++) {
        const json_t *registration = json_array_get(file, i),
                     *message = json_object_get(registration, "message");
        AUTO_POINTER(json_t)
        request =
            json_pack("{s:s, s:O}", "type", "VALIDATOR_REGISTRATION", "validator_registration", message);
        uint8_t root[32];
        assert_request(NULL, root, &network, request, NULL, "registration");
        assert_verifies(root, vector_text(message, "pubkey", NULL),
                        vector_text(registration, "signature", NULL));
    }
}

/* builder-specs has JSON and SSZ of the same registration: fee_recipient 20, gas_limit 8, timestamp 8,
 * pubkey 48. */
static void builder_specs_registration(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) file = vector_json("builder-specs/bellatrix/signed_validator_registrations.json");
    char path[512];
    vector_path(path, sizeof path, "builder-specs/bellatrix/signed_validator_registrations.ssz");
    AUTO(buffer) ssz = {0};
    assert_ok(file_read(&ssz, path, 1024));
    struct cursor c = {ssz.data, ssz.length};
    struct eth2_validator_registration decoded;
    assert_ok(cursor_copy(&c, decoded.fee_recipient, 20));
    assert_ok(cursor_u64(&c, &decoded.gas_limit));
    assert_ok(cursor_u64(&c, &decoded.timestamp));
    assert_ok(cursor_copy(&c, decoded.pubkey, 48));
    uint8_t expected[32], root[32];
    eth2_validator_registration_root(expected, &decoded);

    struct eth2_network network = built_in("mainnet");
    struct eth2_order order;
    const json_t *message = json_object_get(json_array_get(json_object_get(file, "value"), 0), "message");
    AUTO_POINTER(json_t)
    request = json_pack("{s:s, s:O}", "type", "VALIDATOR_REGISTRATION", "validator_registration", message);
    assert_request(&order, root, &network, request, NULL, "registration");
    assert_memory_equal(order.of.object.root, expected, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(launchpad_deposits),
        cmocka_unit_test(ethdo_deposits),
        cmocka_unit_test(ethdo_exit),
        cmocka_unit_test(real_registrations_of_holesky),
        cmocka_unit_test(builder_specs_registration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
