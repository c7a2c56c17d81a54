/* ctl_encrypt.c - keys encrypt: keystores that were made elsewhere become items, as keys generate writes
 * them. Each is opened first: a wrong password would be found by nobody until an enclave starts. */
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/log.h"
#include "ctl_key_items.h"
#include "ctl_keystores.h"
#include "ctl_kms.h"
#include "ctl_parallel.h"
#include "eth2/eth2_config.h"
#include "nitro/nitro_sealed.h"

enum { AT_ONCE = 16 };

struct options {
    struct ctl_keystore_options keystores;
    struct ctl_kms_options kms;
    const char *network, *out, *uuid;
    uint32_t jobs;
};

struct work {
    const struct key_source *source;
    uint8_t pubkey[BLS_PUBKEY_LEN];
    struct secret plaintext;
    result outcome;
    char text[256];
};

struct run {
    struct options options;
    struct eth2_network network;
    struct ctl_kms kms;
    struct key_sources keystores;
    struct ctl_key_report report;
    struct work works[AT_ONCE];
    size_t num_failed;
};

static void run_cleanup(struct run *run)
{
    ctl_kms_cleanup(&run->kms);
    key_sources_cleanup(&run->keystores);
    ctl_key_report_cleanup(&run->report);
    for (size_t i = 0; i < AT_ONCE; i++)
        secret_cleanup(&run->works[i].plaintext);
}

static void open_one(void *works, size_t number)
{
    struct work *work = (struct work *)works + number;
    work->outcome = ctl_keystore_plaintext(&work->plaintext, work->pubkey, work->source);
    (void)snprintf(work->text, sizeof work->text, "%s", work->outcome.code ? error_text() : "");
}

static must_check result encrypt_one(struct run *run, struct work *work)
{
    char digits[2 * BLS_PUBKEY_LEN + 1];
    AUTO(buffer) ciphertext_b64 = {0};
    if (work->outcome.code) {
        log_error("%s: %s", work->source->origin, work->text);
        run->num_failed++;
        return RESULT_OK;
    }
    hex_encode(digits, work->pubkey, sizeof work->pubkey);
    TRY(ctl_kms_encrypt(&run->kms, &ciphertext_b64, &work->plaintext));
    secret_cleanup(&work->plaintext);
    const struct ctl_key_item item = {.uuid = run->options.uuid,
                                      .pubkey = digits,
                                      .chain = run->network.name,
                                      .ciphertext_b64 = &ciphertext_b64};
    TRY(ctl_key_item_write(run->options.out, &item));
    return ctl_key_report_add(&run->report, work->source->origin, digits);
}

static must_check result encrypt_all(struct run *run)
{
    const struct key_sources *k = &run->keystores;
    for (size_t done = 0; done < k->num_items;) {
        size_t num = k->num_items - done < AT_ONCE ? k->num_items - done : AT_ONCE;
        for (size_t i = 0; i < num; i++)
            run->works[i] = (struct work){.source = &k->items[done + i]};
        TRY(ctl_parallel(open_one, run->works, num, run->options.jobs));
        for (size_t i = 0; i < num; i++)
            TRY(encrypt_one(run, &run->works[i]));
        done += num;
    }
    return RESULT_OK;
}

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){.network = "mainnet", .uuid = "none"};
    const struct option table[] = {
        CTL_KEYSTORE_ROWS(o->keystores),
        {"out", OPTION_FOLDER, &o->out, "folder of items; validators/PUBKEY.json are written there", 0, 0},
        {"uuid", OPTION_TEXT, &o->uuid, "web3signer_uuid of the items (none)", 0, 0},
        {"network", OPTION_TEXT, &o->network, "name or configuration YAML, for the items' chain (mainnet)", 0,
         0},
        {"jobs", OPTION_U32, &o->jobs, "keystores opened at once (one a processor)", 1, AT_ONCE},
        CTL_KMS_ROWS(o->kms),
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_keystore_options_check(&o->keystores, call));
    return ctl_require(call, o->out, "out");
}

result ctl_keys_encrypt(struct ctl_call *call)
{
    AUTO(run) run = {.num_failed = 0};
    struct options *o = &run.options;
    TRY(parse_options(o, call));
    call->is_usage_error = true;
    TRY(eth2_network_of_option(&run.network, o->network));
    result r = nitro_sealed_check_uuid(o->uuid, strlen(o->uuid));
    if (r.code)
        return error_prefix(r, "--uuid");
    call->is_usage_error = false;
    TRY(ctl_secrets_open());
    TRY(ctl_keystores_list(&run.keystores, &o->keystores));
    TRY(ctl_kms_open(&run.kms, call, &o->kms));
    TRY(ctl_make_folder(o->out, "validators"));
    ctl_key_report_begin(&run.report, call, run.keystores.num_items);
    TRY(encrypt_all(&run));
    TRY(ctl_key_report_end(&run.report));
    ENSURE(run.num_failed == 0, E_INPUT, "%zu keystores were not encrypted", run.num_failed);
    return RESULT_OK;
}
