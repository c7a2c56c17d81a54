/* test_key_sources.c - lib/keystore/key_sources.h: folders made here and folders of other programs. */
#include "testing_json.h"

#include <ftw.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include "base/file_io.h"
#include "keystore/key_sources.h"

enum { KDF_MEMORY_MAX = 300 << 20 };

static char folder[64];

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/ns-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_ok(file_write(path, text, strlen(text), 0600));
}

static must_check result add_folder(struct key_sources *sources, const char *path)
{
    return key_sources_add_config_folder(sources, &(struct key_folder){path, KEY_SOURCES_CONFIG_FILE_MAX, 4});
}

static void put_keystore(const char *name, uint8_t key, const char *password)
{
    uint8_t secret[32] = {[31] = key};
    AUTO(buffer) json = {0};
    assert_ok(
        keystore_encrypt(&json, secret, "", (const uint8_t *)password, strlen(password), KEYSTORE_PBKDF2, 1));
    put(name, (const char *)json.data);
}

static void check_opens(const struct key_source *source, uint8_t key)
{
    uint8_t secret[32] = {[31] = key}, pubkey[48];
    AUTO(keystore) opened = {0};
    assert_ok(key_source_open(&opened, source, KDF_MEMORY_MAX));
    assert_ok(bls_public_key(pubkey, secret));
    assert_memory_equal(opened.secret.data, secret, 32);
    assert_memory_equal(opened.pubkey, pubkey, 48);
}

static void check_breaks(const struct key_source *source, int error, const char *part)
{
    AUTO(keystore) opened = {0};
    assert_fails(error, key_source_open(&opened, source, KDF_MEMORY_MAX));
    assert_error_names(source->origin);
    assert_error_names(part);
    assert_null(opened.secret.data);
}

#define SOME_ZEROS "000000000000000000000000000000000000000000000000000000000000"
#define ZEROS "00" SOME_ZEROS

static void documents_files_and_their_order(void **state)
{
    (void)state;
    put("b.yaml", "type: file-raw\nprivateKey: \"0x" ZEROS "03\"\n");
    put("a.YML", "---\ntype: file-raw\nkeyType: bls\nunknown: {a: 1}\nprivateKey: " ZEROS "01\n---\n"
                 "type: file-raw\nkeyType: SECP256K1\nprivateKey: " ZEROS "09\n---\n"
                 "type: \"file-raw\"\nprivateKey: '" ZEROS "02'\n...\n");
    put("c.yaml", "type: file-keystore\nkeystoreFile: keys.json\nkeystorePasswordFile: keys.password\n");
    put_keystore("keys.json", 4, "secret word");
    put("keys.password", "secret word\nsecond line\n");
    put(".hidden.yaml", "type: file-raw\n");
    put("notes.txt", "type: file-raw\n");
    put("yaml", "type: file-raw\n");
    char path[128];
    (void)snprintf(path, sizeof path, "%s/sub.yaml", folder);
    assert_int_equal(mkdir(path, 0700), 0);

    AUTO(key_sources) sources = {0};
    assert_ok(add_folder(&sources, folder));
    assert_int_equal(sources.num_items, 4);
    check_opens(&sources.items[0], 1);
    check_opens(&sources.items[1], 2);
    check_opens(&sources.items[2], 3);
    check_opens(&sources.items[3], 4);
    assert_true(CRYPTO_secure_allocated(sources.items[0].raw.data));
}

static void absolute_paths_and_links(void **state)
{
    (void)state;
    char text[512], target[128], link[128];
    (void)snprintf(text, sizeof text,
                   "type: file-keystore\nkeystoreFile: %s/k.json\nkeystorePasswordFile: %s/k.txt\n", folder,
                   folder);
    put("real.config", text);
    (void)snprintf(target, sizeof target, "%s/real.config", folder);
    (void)snprintf(link, sizeof link, "%s/link.yaml", folder);
    assert_int_equal(symlink(target, link), 0);
    put_keystore("k.json", 5, "p");
    put("k.txt", "p");
    AUTO(key_sources) sources = {0};
    assert_ok(add_folder(&sources, folder));
    assert_int_equal(sources.num_items, 1);
    check_opens(&sources.items[0], 5);
}

struct broken_case {
    const char *text;
    int error;
    const char *part;
};

static void a_bad_file_is_one_broken_item(void **state)
{
    (void)state;
    static const struct broken_case cases[] = {
        {"type: hashicorp\nserverHost: x\ntoken: t\n", E_INPUT, "keyPath is missing"},
        {"type: hashicorp\nserverHost: x\nkeyPath: y\n", E_INPUT, "token is missing"},
        {"type: hashicorp\nkeyPath: y\ntoken: t\n", E_INPUT, "serverHost is missing"},
        {"type: hashicorp\nserverHost: x\nkeyPath: y\nauthMethod: KUBERNETES\n", E_INPUT,
         "kubernetesRole is missing"},
        {"type: hashicorp\nserverHost: x\nkeyPath: y\nauthMethod: LDAP\n", E_INPUT,
         "authMethod must be TOKEN or"},
        {"type: hashicorp\nserverHost: x\nkeyPath: y\ntoken: t\nserverPort: 65536\n", E_INPUT,
         "serverPort must be"},
        {"type: hashicorp\nserverHost: x\nkeyPath: y\ntoken: t\ntimeout: 0\n", E_INPUT, "timeout must be"},
        {"type: hashicorp\nserverHost: x\nkeyPath: y\ntoken: t\ntlsEnabled: yes\n", E_INPUT,
         "tlsEnabled must be"},
        {"type: hashicorp\nserverHost: x\nkeyPath: y\ntoken: t\nhttpProtocolVersion: 3\n", E_INPUT,
         "httpProtocolVersion"},
        {"type: 7" ZEROS "\n", E_UNSUPPORTED, "type (not a word)"}, /* perhaps a key in the wrong line */
        {"type: azure-secret\n", E_UNSUPPORTED, "azure-secret"},
        {"type: aws-secret\nregion: r\naccessKeyId: i\nsecretAccessKey: s\n", E_INPUT,
         "secretName is missing"},
        {"type: aws-secret\nsecretName: n\naccessKeyId: i\nsecretAccessKey: s\n", E_INPUT,
         "region is missing"},
        {"type: aws-secret\nsecretName: n\nregion: r\nsecretAccessKey: s\n", E_INPUT,
         "accessKeyId is missing"},
        {"type: aws-secret\nsecretName: n\nregion: r\naccessKeyId: i\n", E_INPUT,
         "secretAccessKey is missing"},
        {"type: aws-secret\nsecretName: n\nauthenticationMode: x\n", E_INPUT, "authenticationMode must be"},
        {"privateKey: " ZEROS "01\n", E_INPUT, "type is missing"},
        {"type: file-raw\n", E_INPUT, "privateKey is missing"},
        {"type: file-raw\nprivateKey: " ZEROS "0z\n", E_INPUT, "privateKey: must be"},
        {"type: file-raw\nprivateKey: " ZEROS "\n", E_INPUT, "privateKey: must be"},
        {"type: file-raw\nkeyType: RSA\nprivateKey: " ZEROS "01\n", E_INPUT, "keyType"},
        {"type: file-keystore\nkeystoreFile: a\n", E_INPUT, "keystorePasswordFile is missing"},
        {"type: file-keystore\nkeystorePasswordFile: a\n", E_INPUT, "keystoreFile is missing"},
        {"type: file-raw\nprivateKey: " ZEROS "00\n", E_INPUT, "privateKey: a secret key"},
        {"type: file-keystore\nkeystoreFile: none\nkeystorePasswordFile: none\n", E_NOT_FOUND, "none"},
        {"- type: file-raw\n", E_INPUT, "x.yaml"},
        {"type: [", E_INPUT, "x.yaml"},
        {"type: file-raw\ntype: file-raw\nprivateKey: " ZEROS "01\n", E_INPUT, "x.yaml"},
    };
    put("y.yaml", "type: file-raw\nprivateKey: " ZEROS "07\n");
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        put("x.yaml", cases[i].text);
        AUTO(key_sources) sources = {0};
        assert_ok(add_folder(&sources, folder));
        assert_int_equal(sources.num_items, 2);
        check_breaks(&sources.items[0], cases[i].error, cases[i].part);
        assert_null(strstr(error_text(), ZEROS));
        check_opens(&sources.items[1], 7);
    }
}

/* Neither a mistake nor YAML that breaks off costs the documents around it. */
static void one_broken_document_of_many(void **state)
{
    (void)state;
    put("x.yaml", "type: file-raw\nprivateKey: " ZEROS "01\n---\ntype: file-raw\nprivateKey: 5\n---\n"
                  "type: aws-kms\nkmsKeyId: k\n---\ntype: azure-key\nkeyType: BLS\n---\n"
                  "type: file-raw\nprivateKey: " ZEROS "02\n---\ntype: [\n---\ntype: file-raw\n");
    AUTO(key_sources) sources = {0};
    assert_ok(add_folder(&sources, folder));
    assert_int_equal(sources.num_items, 4);
    check_opens(&sources.items[0], 1);
    check_breaks(&sources.items[1], E_INPUT, "document at line 4: privateKey");
    check_opens(&sources.items[2], 2);
    check_breaks(&sources.items[3], E_INPUT, "malformed YAML");
    assert_fails(E_INPUT, key_sources_add_config_file(&sources, folder, "x.yaml"));
}

static void a_file_over_the_limit_is_not_read(void **state)
{
    (void)state;
    static const char text[] = "type: file-raw\nprivateKey: " ZEROS "01\n";
    put("x.yaml", text);
    AUTO(key_sources) fits = {0}, over = {0};
    assert_ok(key_sources_add_config_folder(&fits, &(struct key_folder){folder, strlen(text), 1}));
    check_opens(&fits.items[0], 1);
    assert_ok(key_sources_add_config_folder(&over, &(struct key_folder){folder, strlen(text) - 1, 1}));
    assert_int_equal(over.num_items, 1);
    check_breaks(&over.items[0], E_TOO_LARGE, "is longer than 91 bytes");
}

static void put_raw(unsigned number)
{
    char name[32], text[160];
    (void)snprintf(name, sizeof name, "%05u.yaml", number);
    (void)snprintf(text, sizeof text, "type: file-raw\nprivateKey: " SOME_ZEROS "%04x\n", number);
    put(name, text);
}

/* More than one thread reads 1,500 files; two documents stand in one of them, another one is no good. */
static void the_order_is_that_of_the_names_however_many_read(void **state)
{
    (void)state;
    enum { FILES = 1500, TWO_IN = 700, BROKEN = 1400 };
    for (unsigned i = 0; i < FILES; i++)
        put_raw(i);
    put("00700.yaml",
        "type: file-raw\nprivateKey: " ZEROS "01\n---\ntype: file-raw\nprivateKey: " ZEROS "02\n");
    put("01400.yaml", "type: other\n");
    for (size_t threads = 1; threads <= 64; threads *= 4) {
        AUTO(key_sources) sources = {0};
        assert_ok(key_sources_add_config_folder(
            &sources, &(struct key_folder){folder, KEY_SOURCES_CONFIG_FILE_MAX, threads}));
        assert_int_equal(sources.num_items, FILES + 1);
        for (unsigned i = 0; i <= FILES; i++) {
            char name[32];
            (void)snprintf(name, sizeof name, "%05u.yaml", i > TWO_IN ? i - 1 : i);
            assert_string_equal(sources.items[i].origin, name);
        }
        check_breaks(&sources.items[BROKEN + 1], E_UNSUPPORTED, "type");
        check_opens(&sources.items[7], 7);
    }
}

static void raw_keys_together_are_as_one_by_one(void **state)
{
    (void)state;
    struct bls_fixed_base *base = NULL;
    struct keystore keys[KEY_SOURCES_RAW_MAX] = {0};
    const struct key_source *list[KEY_SOURCES_RAW_MAX];
    AUTO(key_sources) sources = {0};
    for (unsigned i = 0; i < KEY_SOURCES_RAW_MAX; i++) /* the first is 0, which is no key */
        put_raw(i);
    assert_ok(add_folder(&sources, folder));
    assert_int_equal(sources.num_items, KEY_SOURCES_RAW_MAX);
    for (size_t i = 0; i < sources.num_items; i++)
        list[i] = &sources.items[i];
    assert_ok(bls_fixed_base_new(&base));
    assert_ok(key_sources_open_raw(keys, list + 1, KEY_SOURCES_RAW_MAX - 1, base));
    for (size_t i = 1; i < KEY_SOURCES_RAW_MAX; i++) {
        AUTO(keystore) one = {0};
        assert_ok(key_source_open(&one, list[i], KDF_MEMORY_MAX));
        assert_memory_equal(keys[i - 1].pubkey, one.pubkey, BLS_PUBKEY_LEN);
        assert_memory_equal(keys[i - 1].secret.data, one.secret.data, BLS_SECRET_LEN);
        assert_true(CRYPTO_secure_allocated(keys[i - 1].secret.data));
        keystore_cleanup(&keys[i - 1]);
    }
    assert_fails(E_INPUT, key_sources_open_raw(keys, list, KEY_SOURCES_RAW_MAX, base));
    assert_null(keys[1].secret.data);
    bls_fixed_base_free(base);
}

static void check_texts(const struct key_source *source, const char *const wanted[static KEY_REMOTE_TEXTS])
{
    for (unsigned i = 0; i < KEY_REMOTE_TEXTS; i++)
        assert_string_equal(key_remote_text(source->remote, i), wanted[i]);
    assert_true(CRYPTO_secure_allocated(source->remote->texts.data));
}

static void keys_that_other_servers_have(void **state)
{
    (void)state;
    put("x.yaml",
        "type: aws-secret\nregion: us-east-2\naccessKeyId: AKID\nsecretAccessKey: s3cret\nsecretName: a/b\n"
        "---\ntype: aws-secret\nauthenticationMode: environment\nsecretName: n\nendpointOverride: "
        "https://x:1\n"
        "---\ntype: hashicorp\nserverHost: vault\nkeyPath: /v1/secret/data/k\ntoken: root\n"
        "---\ntype: hashicorp\nserverHost: h\nserverPort: 443\nkeyPath: /p\nkeyName: m\ntimeout: 250\n"
        "tlsEnabled: True\ntlsKnownServersPath: known\nhttpProtocolVersion: HTTP_1_1\nauthMethod: "
        "KUBERNETES\n"
        "kubernetesRole: r\n");
    AUTO(key_sources) sources = {0};
    assert_ok(add_folder(&sources, folder));
    assert_int_equal(sources.num_items, 4);
    const struct key_source *s = sources.items;
    char known[128];
    (void)snprintf(known, sizeof known, "%s/known", folder);

    assert_true(s[0].kind == KEY_SOURCE_AWS && !s[0].remote->environment);
    check_texts(&s[0], (const char *[]){"us-east-2", "a/b", "", "AKID", "s3cret", "", "", ""});
    assert_true(s[1].kind == KEY_SOURCE_AWS && s[1].remote->environment);
    check_texts(&s[1], (const char *[]){"", "n", "https://x:1", "", "", "", "", ""});
    assert_true(s[2].kind == KEY_SOURCE_VAULT && !s[2].remote->tls && s[2].remote->http2);
    assert_true(s[2].remote->port == 8200 && s[2].remote->timeout_ms == 10000);
    check_texts(&s[2], (const char *[]){"vault", "/v1/secret/data/k", "value", "root", "", "", "", ""});
    assert_true(s[3].kind == KEY_SOURCE_VAULT && s[3].remote->tls && !s[3].remote->http2);
    assert_true(s[3].remote->port == 443 && s[3].remote->timeout_ms == 250);
    check_texts(&s[3], (const char *[]){"h", "/p", "m", "", known, "r",
                                        "/var/run/secrets/kubernetes.io/serviceaccount/token", "kubernetes"});
    for (size_t i = 0; i < sources.num_items; i++)
        check_breaks(&s[i], E_STATE, "another server");
}

static void the_key_in_a_text(void **state)
{
    (void)state;
    static const char *const good[] = {ZEROS "05", "0x" ZEROS "05", "\n " ZEROS "05\r\n"};
    static const char *const bad[] = {"", "0x", ZEROS "5", ZEROS "005", ZEROS "00", ZEROS " 05", ZEROS "0g"};
    const struct key_source five = {.kind = KEY_SOURCE_RAW, .raw = {(uint8_t[32]){[31] = 5}, 32}};
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        AUTO(keystore) opened = {0}, wanted = {0};
        assert_ok(key_source_parse(&opened, good[i], strlen(good[i])));
        assert_ok(key_source_open(&wanted, &five, KDF_MEMORY_MAX));
        assert_memory_equal(opened.pubkey, wanted.pubkey, 48);
        assert_true(secret_equal(opened.secret.data, wanted.secret.data, 32));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        AUTO(keystore) opened = {0};
        assert_fails(E_INPUT, key_source_parse(&opened, bad[i], strlen(bad[i])));
        assert_null(opened.secret.data);
        assert_null(strstr(error_text(), ZEROS));
    }
    AUTO(keystore) opened = {0};
    assert_fails(E_INPUT, key_source_parse(&opened, good[0], strlen(good[0]) + 1)); /* its NUL is no blank */
}

static void the_password_is_the_first_line_and_not_blank(void **state)
{
    (void)state;
    static const char *const blank[] = {"", "\n", "  \t\n", "\nword\n"};
    put("x.yaml", "type: file-keystore\nkeystoreFile: k.json\nkeystorePasswordFile: k.txt\n");
    put_keystore("k.json", 6, " two words ");
    AUTO(key_sources) sources = {0};
    assert_ok(add_folder(&sources, folder));
    for (size_t i = 0; i < ARRAY_LENGTH(blank); i++) {
        put("k.txt", blank[i]);
        check_breaks(&sources.items[0], E_INPUT, "blank");
    }
    put("k.txt", " two words \r\nthree\n");
    check_opens(&sources.items[0], 6);
    put("k.txt", "two words\n");
    check_breaks(&sources.items[0], E_AUTH, "password");
}

static void bulk_folder_with_one_password_for_all(void **state)
{
    (void)state;
    put_keystore("a.json", 1, "one\ntwo");
    put_keystore("b.JSON", 2, "one\ntwo");
    put("c.json", "{}");
    put("d.txt", "one\ntwo\n");
    put(".e.json", "{}");
    put("deposit_data-1.json", "[]");
    char password[128];
    (void)snprintf(password, sizeof password, "%s/d.txt", folder);
    AUTO(key_sources) sources = {0};
    assert_ok(key_sources_add_keystores(&sources, folder, NULL, password));
    assert_int_equal(sources.num_items, 3);
    check_opens(&sources.items[0], 1); /* the whole file, of which normalisation drops every newline */
    check_opens(&sources.items[1], 2);
    check_breaks(&sources.items[2], E_INPUT, "version");
}

static void bulk_folder_of_another_program(void **state)
{
    (void)state;
    char keystores[512], passwords[512];
    vector_path(keystores, sizeof keystores, "keystores/commit-boost/teku-keys");
    vector_path(passwords, sizeof passwords, "keystores/commit-boost/teku-secrets");
    AUTO(key_sources) sources = {0};
    assert_ok(key_sources_add_keystores(&sources, keystores, passwords, NULL));
    assert_int_equal(sources.num_items, 2);
    for (size_t i = 0; i < sources.num_items; i++) {
        AUTO(keystore) opened = {0};
        char name[2 * 48 + 3];
        assert_ok(key_source_open(&opened, &sources.items[i], KDF_MEMORY_MAX));
        hex_encode_0x(name, opened.pubkey, 48);
        assert_memory_equal(sources.items[i].origin, name, strlen(name));
    }
}

static void a_missing_password_file_breaks_one_key(void **state)
{
    (void)state;
    put_keystore("a.json", 1, "p");
    put_keystore("b.json", 2, "p");
    put("b.txt", "p\n");
    AUTO(key_sources) sources = {0};
    assert_ok(key_sources_add_keystores(&sources, folder, folder, NULL));
    assert_int_equal(sources.num_items, 2);
    check_breaks(&sources.items[0], E_NOT_FOUND, "a.txt");
    check_opens(&sources.items[1], 2);
}

static void folders_that_cannot_be_read(void **state)
{
    (void)state;
    AUTO(key_sources) sources = {0};
    assert_fails(E_NOT_FOUND, add_folder(&sources, "/tmp/ns-there-is-no-such-folder"));
    assert_error_names("/tmp/ns-there-is-no-such-folder");
    assert_fails(E_NOT_FOUND,
                 key_sources_add_keystores(&sources, "/tmp/ns-there-is-no-such-folder", "x", NULL));
    put("file", "x");
    char path[128];
    (void)snprintf(path, sizeof path, "%s/file", folder);
    assert_fails(E_IO, add_folder(&sources, path));
    assert_int_equal(sources.num_items, 0);
}

static void the_secure_heap_is_as_it_was(void **state)
{
    (void)state;
    size_t before = CRYPTO_secure_used();
    put("a.yaml", "type: file-raw\nprivateKey: " ZEROS "01\n");
    put("b.yaml", "type: file-raw\nprivateKey: " ZEROS "02\n---\ntype: nothing\n");
    AUTO(key_sources) sources = {0};
    assert_ok(add_folder(&sources, folder));
    key_sources_cleanup(&sources);
    assert_int_equal(CRYPTO_secure_used(), before);
}

#define FOLDER_TEST(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    if (secret_heap_open(1 << 20).code)
        return 1;
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(documents_files_and_their_order),
        FOLDER_TEST(absolute_paths_and_links),
        FOLDER_TEST(a_bad_file_is_one_broken_item),
        FOLDER_TEST(one_broken_document_of_many),
        FOLDER_TEST(a_file_over_the_limit_is_not_read),
        FOLDER_TEST(the_order_is_that_of_the_names_however_many_read),
        FOLDER_TEST(raw_keys_together_are_as_one_by_one),
        FOLDER_TEST(keys_that_other_servers_have),
        cmocka_unit_test(the_key_in_a_text),
        FOLDER_TEST(the_password_is_the_first_line_and_not_blank),
        FOLDER_TEST(bulk_folder_with_one_password_for_all),
        FOLDER_TEST(bulk_folder_of_another_program),
        FOLDER_TEST(a_missing_password_file_breaks_one_key),
        FOLDER_TEST(folders_that_cannot_be_read),
        FOLDER_TEST(the_secure_heap_is_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
