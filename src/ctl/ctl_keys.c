/* ctl_keys.c - keys generate: items for a folder, which keys upload or a table's own tools take from there.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/file_io.h"
#include "base/hex.h"
#include "ctl_key_maker.h"
#include "ctl_kms.h"
#include "ctl_sealed.h"

struct options {
    struct ctl_kms_options kms;
    struct ctl_key_options keys;
    const char *out, *uuid;
    bool is_sealed;
};

/* What the run works with once the options have been read. */
struct generator {
    struct options options;
    struct ctl_key_maker maker;
    struct ctl_kms kms;
    struct ctl_sealed sealed; /* --sealed: the batch */
};

static void generator_cleanup(struct generator *g)
{
    ctl_key_maker_cleanup(&g->maker);
    ctl_kms_cleanup(&g->kms);
    ctl_sealed_cleanup(&g->sealed);
}

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){.keys = CTL_KEY_DEFAULTS, .uuid = "none"};
    o->keys.count = 1;
    const struct option table[] = {
        {"count", OPTION_U32, &o->keys.count, "how many validators (1)", 1, CTL_KEYS_MAX},
        CTL_KEY_ROWS(o->keys),
        {"out", OPTION_FOLDER, &o->out, "folder of items; validators/PUBKEY.json are written there", 0, 0},
        {"sealed", OPTION_FLAG, &o->is_sealed,
         "one item for all, sealed/PUBKEY.json, instead of keystores: an enclave opens thousands at once "
         "(false)",
         0, 0},
        {"uuid", OPTION_TEXT, &o->uuid, "web3signer_uuid of the items (none)", 0, 0},
        CTL_KMS_ROWS(o->kms),
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_require(call, o->out, "out"));
    bool has_mnemonic = o->keys.mnemonic_fd != CTL_NO_FD || o->keys.existing_mnemonic_fd != CTL_NO_FD;
    return ctl_require(call, has_mnemonic ? o : NULL, "mnemonic-fd");
}

static must_check result interpret(struct generator *g, struct ctl_call *call)
{
    TRY(ctl_key_maker_interpret(&g->maker, call, &g->options.keys, g->options.is_sealed));
    result r = nitro_sealed_check_uuid(g->options.uuid, strlen(g->options.uuid));
    call->is_usage_error = r.code != 0;
    return r.code ? error_prefix(r, "--uuid") : r;
}

/* Appends base64 of the ciphertext of one key's keystore and password. */
static must_check result encrypt_key(struct generator *g, struct buffer *out, const struct secret *key,
                                     const char *path)
{
    AUTO(secret) password = {0};
    AUTO(secret) plaintext = {0};
    AUTO(buffer) keystore = {0};
    TRY(ctl_key_maker_keystore(&g->maker, &keystore, &password, key, path));
    TRY(ctl_key_reveal(&g->options.keys, key, &password));
    TRY(ctl_key_plaintext(&plaintext, &keystore, &password));
    return ctl_kms_encrypt(&g->kms, out, &plaintext);
}

static must_check result write_item(const struct generator *g, const char *pubkey,
                                    const struct buffer *ciphertext_b64, const struct buffer *deposit)
{
    char path[PATH_MAX], now[21];
    AUTO(buffer) item = {0};
    ctl_now(now);
    TRY(buffer_printf(
        &item,
        "{\n  \"web3signer_uuid\": \"%s\",\n  \"pubkey\": \"%s\",\n  \"chain\": \"%s\",\n"
        "  \"datetime\": \"%s\",\n  \"active\": true,\n  \"encrypted_key_password_mnemonic_b64\": \"%s\",\n"
        "  \"deposit_json_b64\": \"",
        g->options.uuid, pubkey, g->maker.network.name, now, (const char *)ciphertext_b64->data));
    TRY(base64_append(&item, deposit->data, deposit->length));
    TRY(buffer_append_text(&item, "\"\n}\n"));
    int length = snprintf(path, sizeof path, "%s/validators/%s.json", g->options.out, pubkey);
    ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "--out: the path is too long");
    return file_write(path, item.data, item.length, 0644);
}

static must_check result make_key(struct generator *g, uint32_t index)
{
    char path[CTL_KEY_PATH_MAX], pubkey_text[2 * BLS_PUBKEY_LEN + 1];
    uint8_t pubkey[BLS_PUBKEY_LEN];
    AUTO(secret) key = {0};
    AUTO(buffer) ciphertext_b64 = {0};
    AUTO(buffer) deposit = {0};
    TRY(ctl_key_maker_derive(&g->maker, &key, path, pubkey, index));
    hex_encode(pubkey_text, pubkey, sizeof pubkey);
    TRY(ctl_key_maker_deposit(&g->maker, &deposit, &key, index));
    if (g->options.is_sealed) {
        TRY(ctl_key_reveal(&g->options.keys, &key, NULL));
        TRY(ctl_sealed_add(&g->sealed, &key, pubkey, &deposit));
    } else {
        TRY(encrypt_key(g, &ciphertext_b64, &key, path));
        TRY(write_item(g, pubkey_text, &ciphertext_b64, &deposit));
    }
    (void)printf("%s  0x%s\n", path, pubkey_text);
    return RESULT_OK;
}

result ctl_keys_generate(struct ctl_call *call)
{
    AUTO(generator) g = {0};
    TRY(parse_options(&g.options, call));
    TRY(interpret(&g, call));
    TRY(ctl_secrets_open());
    TRY(ctl_kms_open(&g.kms, call, &g.options.kms));
    if (g.options.is_sealed)
        TRY(ctl_sealed_begin(&g.sealed, g.options.uuid, g.options.keys.secrets_fd));
    else
        TRY(ctl_make_folder(g.options.out, "validators"));
    TRY(ctl_key_maker_begin(&g.maker));
    for (uint32_t i = 0; i < g.options.keys.count; i++)
        TRY(make_key(&g, g.options.keys.first + i));
    return g.options.is_sealed ? ctl_sealed_write(&g.sealed, &g.kms, g.options.out, g.maker.network.name)
                               : RESULT_OK;
}
