/* ctl_keys.c - keys generate: items for a folder, which keys upload or a table's own tools take from there.
 */
#include <string.h>

#include "base/hex.h"
#include "ctl_key_items.h"
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
    struct ctl_key_report report;
};

static void generator_cleanup(struct generator *g)
{
    ctl_key_maker_cleanup(&g->maker);
    ctl_kms_cleanup(&g->kms);
    ctl_sealed_cleanup(&g->sealed);
    ctl_key_report_cleanup(&g->report);
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
    return ctl_require(call, ctl_key_has_mnemonic(&o->keys) ? o : NULL, "mnemonic-fd");
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
        const struct ctl_key_item item = {.uuid = g->options.uuid,
                                          .pubkey = pubkey_text,
                                          .chain = g->maker.network.name,
                                          .ciphertext_b64 = &ciphertext_b64,
                                          .deposit = &deposit};
        TRY(ctl_key_item_write(g->options.out, &item));
    }
    return ctl_key_report_add(&g->report, path, pubkey_text);
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
    TRY(ctl_key_maker_begin(&g.maker, call, false));
    ctl_key_report_begin(&g.report, call, g.options.keys.count);
    for (uint32_t i = 0; i < g.options.keys.count; i++)
        TRY(make_key(&g, g.options.keys.first + i));
    if (g.options.is_sealed)
        TRY(ctl_sealed_write(&g.sealed, &g.kms, g.options.out, g.maker.network.name));
    return ctl_key_report_end(&g.report);
}
