/* test_watchdog_items.c - a folder of items as ctl writes it, and every way in which one can be damaged. */
#include "testing.h"

#include "watchdog/watchdog_credentials.h"
#include "watchdog/watchdog_items.h"

#include <unistd.h>

#include "base/file_io.h"
#include "base/file_watch.h"

#define KEY_A                                                                                                \
    "989d34725a2bfc3f15105f3f5fc8741f436c25ee1ee4f948e425d6bcb8c56bce6e06c269635b7e985a7ffa639e2409bf"
#define KEY_B                                                                                                \
    "89b54db68c6281b5919ff0167cf88f2e0077cd90b65efcd0dbbc7772ee953c6a5bc96be01c5a9a14ba45edbc933fa4c3"
#define REST                                                                                                 \
    "\"web3signer_uuid\":\"none\",\"chain\":\"mainnet\",\"datetime\":\"2026-01-31T12:00:00Z\",\"deposit_"    \
    "json_b64\":\"W10=\""
#define ITEM(key, ciphertext, active)                                                                        \
    "{\"pubkey\":\"" key "\",\"encrypted_key_password_mnemonic_b64\":\"" ciphertext "\",\"active\":" active  \
    "," REST "}"
#define TLS_ITEM "{\"key_id\":1,\"encrypted_tls_key_b64\":\"dGxz\",\"cert_pem\":\"cGVt\"}"

static char folder[64];

static void write_file(const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_ok(file_write(path, text, strlen(text), 0600));
}

static void remove_file(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)unlink(path);
}

static int make_folder(void **state)
{
    (void)state;
    char path[128];
    (void)snprintf(folder, sizeof folder, "/tmp/ns-items-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof path, "%s/validators", folder);
    int failed = mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/tls", folder);
    failed |= mkdir(path, 0700);
    write_file("validators/a.json", ITEM(KEY_A, "QUFB", "true"));
    write_file("tls/1.json", TLS_ITEM);
    return failed;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"validators/a.json", "validators/b.json", "validators/c.txt",
                                        "tls/1.json",        "tls/2.json",        "credentials.json"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        remove_file(names[i]);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/validators", folder);
    int failed = rmdir(path);
    (void)snprintf(path, sizeof path, "%s/tls", folder);
    return failed | rmdir(path) | rmdir(folder);
}

static void test_items_are_read_in_order(void **state)
{
    (void)state;
    AUTO(watchdog_items) items = {0};
    write_file("validators/b.json", ITEM(KEY_B, "QkJC", "true"));
    write_file("validators/c.txt", "not an item");
    assert_ok(watchdog_items_read(&items, folder));
    assert_int_equal(items.num_keys, 2);
    assert_string_equal((char *)items.encrypted_validator_keys.data, "[\"QUFB\",\"QkJC\"]");
    assert_string_equal((char *)items.encrypted_tls_key.data, "dGxz");
}

static void test_inactive_items_are_left_out(void **state)
{
    (void)state;
    AUTO(watchdog_items) items = {0};
    write_file("validators/b.json", ITEM(KEY_B, "QkJC", "false"));
    assert_ok(watchdog_items_read(&items, folder));
    assert_int_equal(items.num_keys, 1);
    assert_int_equal(items.num_inactive, 1);
    AUTO(watchdog_items) none = {0};
    write_file("validators/a.json", ITEM(KEY_A, "QUFB", "false"));
    assert_fails(E_INPUT, watchdog_items_read(&none, folder));
    assert_error_names("no active key");
}

/* A damaged b.json is refused by the name of the file and of the member; nothing comes back. */
static void refuse(const char *text, const char *member)
{
    AUTO(watchdog_items) items = {0};
    write_file("validators/b.json", text);
    assert_fails(E_INPUT, watchdog_items_read(&items, folder));
    assert_error_names("validators/b.json");
    assert_error_names(member);
    assert_null(items.encrypted_validator_keys.data);
}

static void test_damaged_items_are_named(void **state)
{
    (void)state;
    refuse("[]", "must be an object");
    refuse("{\"pubkey\":\"00\"}", "pubkey");
    refuse(ITEM("", "QkJC", "true"), "pubkey");
    refuse(ITEM("00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
                "0000",
                "QkJC", "true"),
           "pubkey");
    refuse(ITEM(KEY_B, "QkJ", "true"), "encrypted_key_password_mnemonic_b64");
    refuse(ITEM(KEY_B, "", "true"), "encrypted_key_password_mnemonic_b64");
    refuse(ITEM(KEY_B, "QkJC", "\"true\""), "active");
    refuse(ITEM(KEY_B, "QkJC", "1"), "active");
    refuse("{\"pubkey\":\"" KEY_B "\",\"encrypted_key_password_mnemonic_b64\":\"QkJC\"," REST "}", "active");
    refuse("{\"pubkey\":\"" KEY_B "\",\"encrypted_key_password_mnemonic_b64\":\"QkJC\",\"active\":true}",
           "web3signer_uuid");
    refuse(ITEM(KEY_B, "QkJC", "true") "x", "");
}

static void test_keys_are_there_once(void **state)
{
    (void)state;
    AUTO(watchdog_items) items = {0};
    write_file("validators/b.json", ITEM(KEY_A, "QkJC", "true"));
    assert_fails(E_INPUT, watchdog_items_read(&items, folder));
    assert_error_names(KEY_A);
    assert_error_names("is there twice");
}

static void test_exactly_one_tls_item(void **state)
{
    (void)state;
    AUTO(watchdog_items) items = {0};
    write_file("tls/2.json", TLS_ITEM);
    assert_fails(E_INPUT, watchdog_items_read(&items, folder));
    assert_error_names("tls/2.json");
    remove_file("tls/1.json");
    remove_file("tls/2.json");
    assert_fails(E_INPUT, watchdog_items_read(&items, folder));
    assert_error_names("exactly one TLS item");
    write_file("tls/1.json", "{\"key_id\":1,\"encrypted_tls_key_b64\":\"dGxz\"}");
    assert_fails(E_INPUT, watchdog_items_read(&items, folder));
    assert_error_names("cert_pem");
}

static void test_credential_member(void **state)
{
    (void)state;
    AUTO(aws_credentials) credentials = {0};
    AUTO(secret) json = {0};
    assert_ok(aws_credentials_new(&credentials, "AKIDEXAMPLE", "secret/key+", "token=="));
    assert_ok(watchdog_credentials_member(&json, &credentials));
    assert_string_equal((char *)json.data,
                        "\"credential\":{\"access_key_id\":\"AKIDEXAMPLE\",\"secret_access_key\":"
                        "\"secret/key+\",\"token\":\"token==\"}");
    AUTO(aws_credentials) quoted = {0};
    AUTO(secret) refused = {0};
    assert_ok(aws_credentials_new(&quoted, "AKIDEXAMPLE", "secret\"key", ""));
    assert_fails(E_INPUT, watchdog_credentials_member(&refused, &quoted));
    assert_error_names("secret_access_key");
    assert_null(strstr(error_text(), "secret\"key"));
}

static void test_replaced_credentials_are_noticed(void **state)
{
    (void)state;
    char path[128];
    AUTO_FD watch = -1;
    (void)snprintf(path, sizeof path, "%s/credentials.json", folder);
    assert_ok(file_watch_open(&watch, path));
    assert_false(file_watch_changed(watch, path));
    write_file("other.json", "{}");
    assert_false(file_watch_changed(watch, path));
    write_file("credentials.json", "{}"); /* by way of a temporary name */
    assert_true(file_watch_changed(watch, path));
    assert_false(file_watch_changed(watch, path));
    remove_file("other.json");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_items_are_read_in_order),
        TEST(test_inactive_items_are_left_out),
        TEST(test_damaged_items_are_named),
        TEST(test_keys_are_there_once),
        TEST(test_exactly_one_tls_item),
        TEST(test_credential_member),
        TEST(test_replaced_credentials_are_noticed),
    };
    if (secret_heap_open(1 << 16).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
