/* torture_key_files.c - a folder of key configurations (a raw key, a keystore of each kind) is listed and
 * each key opened, and the server's PKCS#12 file too. Whatever fails, a key that is given is the right one,
 * and what is refused leaves nothing behind in what it was to be put. */
#include <stdio.h>
#include <string.h>

#include "base/file_io.h"
#include "keystore/key_sources.h"
#include "loader/loader_tls.h"
#include "torture.h"

enum { KEYS = 3, KDF_MEMORY_MAX = 64 << 20 };

static uint8_t secrets[KEYS][BLS_SECRET_LEN];
static char raw_text[160];
static struct buffer keystores[2];
static struct buffer pkcs12;

static void make_keystore(size_t which, enum keystore_kdf kdf, uint32_t cost)
{
    torture_must(keystore_encrypt(&keystores[which], secrets[1 + which], "m/12381/3600/0/0/0",
                                  (const uint8_t *)"password", 8, kdf, cost));
}

static void prepare(void)
{
    torture_must(secret_heap_open(1 << 20));
    torture_warm_openssl();
    for (size_t i = 0; i < KEYS; i++)
        secrets[i][31] = (uint8_t)(i + 1);
    (void)snprintf(raw_text, sizeof raw_text, "type: file-raw\nkeyType: BLS\nprivateKey: \"0x%064d\"\n", 1);
    make_keystore(0, KEYSTORE_PBKDF2, 2);
    make_keystore(1, KEYSTORE_SCRYPT, 1);
    torture_must(
        file_read(&pkcs12, NS_TORTURE_FOLDER "/../fuzz/corpus/tls_files/sealed.p12", LOADER_PKCS12_MAX));
}

static void put(const char *folder, const char *name, const void *bytes, size_t bytes_len)
{
    char path[TORTURE_PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    torture_must(file_write(path, bytes, bytes_len, 0600));
}

static void furnish(const char *folder)
{
    for (int i = 0; i < 2; i++) {
        char name[24], text[128];
        (void)snprintf(name, sizeof name, "k%d.json", i);
        put(folder, name, keystores[i].data, keystores[i].length);
        (void)snprintf(text, sizeof text,
                       "type: file-keystore\nkeystoreFile: k%d.json\nkeystorePasswordFile: password.txt\n",
                       i);
        (void)snprintf(name, sizeof name, "b%d.yaml", i);
        put(folder, name, text, strlen(text));
    }
    put(folder, "a.yaml", raw_text, strlen(raw_text));
    put(folder, "password.txt", "password\n", 9);
}

static result open_source(const struct key_source *source, size_t which)
{
    AUTO(keystore) key = {0};
    if (source->kind == KEY_SOURCE_BROKEN) {
        torture_require(source->error && source->failure && *source->failure, "broken, and not said why");
        FAIL(source->error, "%s", source->failure);
    }
    result r = key_source_open(&key, source, KDF_MEMORY_MAX);
    if (r.code)
        torture_require(!key.secret.data, "a refused key is there");
    else
        torture_require(key.secret.length == BLS_SECRET_LEN &&
                            memcmp(key.secret.data, secrets[which], BLS_SECRET_LEN) == 0,
                        "another key than key %zu", which);
    return r;
}

static result open_keys(const char *folder)
{
    AUTO(key_sources) sources = {0};
    const struct key_folder where = {folder, KEY_SOURCES_CONFIG_FILE_MAX, 1};
    TRY(key_sources_add_config_folder(&sources, &where));
    torture_require(sources.num_items == KEYS, "%zu keys of %d", sources.num_items, KEYS);
    result all = RESULT_OK;
    for (size_t i = 0; i < sources.num_items; i++) {
        result r = open_source(&sources.items[i], i);
        all = r.code ? r : all;
    }
    return all;
}

static result open_tls(void)
{
    AUTO(loader_tls) tls = {0};
    AUTO(secret) password = {0};
    TRY(secret_new(&password, 8));
    memcpy(password.data, "password", 8);
    result r = loader_tls_open(&tls, pkcs12.data, pkcs12.length, &password);
    torture_require(!r.code == (tls.private_key.data != NULL), "a refused file left a key");
    torture_require(r.code || tls.certificates.length > 0, "a key without certificates");
    return r;
}

static void act(const char *folder)
{
    furnish(folder);
    torture_begin();
    torture_outcome(open_keys(folder));
    torture_outcome(open_tls());
    torture_end();
}

int main(void)
{
    const struct torture_scenario scenario = {
        .name = "key_files", .prepare = prepare, .act = act, .one_place_in = 9};
    return torture_main(&scenario);
}
