/* test_ctl_deposit.c - our deposit data against files that the staking deposit tool wrote for the same
 * mnemonic, index and withdrawal address. */
#include "testing.h"

#include "ctl/ctl_deposit.h"

#include "base/file_io.h"
#include "base/hex.h"
#include "keystore/keystore.h"
#include "json/json.h"

enum { FILE_MAX = 1 << 20, VALUES_MAX = 4096 };

static void withdrawal_credentials(uint8_t out[static 32], const struct json_view *run,
                                   const struct secret *seed, unsigned index)
{
    const char *address = NULL;
    if (!json_is_null(json_object_get(run->value, "eth1_withdrawal_address")))
        assert_ok(json_get_text(&address, NULL, run, "eth1_withdrawal_address"));
    if (address) {
        uint8_t bytes[ETH2_ADDRESS_LEN];
        assert_ok(hex_decode(bytes, sizeof bytes, address, strlen(address)));
        ctl_credentials_of_address(out, bytes, false);
        return;
    }
    char path[64];
    uint8_t pubkey[BLS_PUBKEY_LEN];
    AUTO(secret) key = {0};
    (void)snprintf(path, sizeof path, "m/12381/3600/%u/0", index);
    assert_ok(bls_derive_path(&key, seed->data, seed->length, path));
    assert_ok(bls_public_key(pubkey, key.data));
    assert_ok(ctl_credentials_of_key(out, pubkey));
}

static void check_datum(const struct json_view *expected, const struct json_view *run,
                        const struct secret *seed, unsigned index)
{
    struct eth2_network network;
    const char *name;
    char path[64];
    uint8_t credentials[32];
    AUTO(secret) key = {0};
    AUTO(buffer) made = {0};
    assert_ok(json_get_text(&name, NULL, run, "network"));
    assert_ok(eth2_network_by_name(&network, name));
    (void)snprintf(path, sizeof path, "m/12381/3600/%u/0/0", index);
    assert_ok(bls_derive_path(&key, seed->data, seed->length, path));
    withdrawal_credentials(credentials, run, seed, index);
    assert_ok(ctl_deposit_json(&made, &network, key.data, credentials, 32));

    AUTO_POINTER(json_t) list = NULL;
    assert_ok(json_read(&list, (const char *)made.data, made.length, FILE_MAX, VALUES_MAX));
    assert_int_equal(json_array_size(list), 1);
    assert_true(json_equal(json_array_get(list, 0), expected->value));
}

/* Returns how many data were compared. */
static size_t check_run(const struct json_view *run)
{
    struct json_view data, datum;
    const char *mnemonic;
    size_t length;
    uint64_t first;
    AUTO(secret) seed = {0};
    assert_ok(json_get_text(&mnemonic, &length, run, "mnemonic"));
    assert_ok(mnemonic_to_seed(&seed, mnemonic, length, "", 0));
    assert_ok(json_get_u64(&first, run, "first_index"));
    assert_ok(json_get_array(&data, run, "deposit_data", 100));
    for (size_t i = 0; i < json_array_size(data.value); i++) {
        assert_ok(json_element_object(&datum, &data, i));
        check_datum(&datum, run, &seed, (unsigned)(first + i));
    }
    return json_array_size(data.value);
}

static void test_deposits_are_those_of_the_deposit_tool(void **state)
{
    (void)state;
    char path[512];
    AUTO(buffer) text = {0};
    AUTO_POINTER(json_t) document = NULL;
    vector_path(path, sizeof path, "deposit-data/staking-deposit-cli-via-lighthouse.json");
    assert_ok(file_read(&text, path, FILE_MAX));
    assert_ok(json_read(&document, (const char *)text.data, text.length, FILE_MAX, VALUES_MAX));
    const struct json_view runs = {.value = document};
    struct json_view run;
    size_t compared = 0;
    for (size_t i = 0; i < json_array_size(document); i++) {
        const char *network;
        struct eth2_network known;
        assert_ok(json_element_object(&run, &runs, i));
        assert_ok(json_get_text(&network, NULL, &run, "network"));
        if (eth2_network_by_name(&known, network).code == 0) /* prater and others are gone */
            compared += check_run(&run);
    }
    assert_true(compared >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_deposits_are_those_of_the_deposit_tool)};
    if (secret_heap_open(1 << 16).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
