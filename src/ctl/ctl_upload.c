/* ctl_upload.c - keys upload: options, and the order of things. */
#include "ctl_upload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_kms.h"
#include "base/hex.h"
#include "base/log.h"

enum { KMS_CONNECTIONS = 8, TEXT_MAX = 512 };

void ctl_upload_cleanup(struct ctl_upload *u)
{
    ctl_progress_cleanup(&u->progress);
    ctl_sealed_cleanup(&u->sealed);
    ctl_table_cleanup(&u->there);
    ctl_item_files_cleanup(u);
    key_sources_cleanup(&u->sources);
    ctl_key_maker_cleanup(&u->maker);
    ctl_table_client_cleanup(&u->table);
    aws_client_close(u->kms);
    ctl_aws_cleanup(&u->aws);
    free(u->keys);
}

static must_check result parse_options(struct ctl_upload_options *o, struct ctl_call *call)
{
    *o = (struct ctl_upload_options){.keys = CTL_KEY_DEFAULTS};
    const struct option table[] = {
        {"count", OPTION_U32, &o->keys.count, "make so many keys (none)", 1, CTL_KEYS_MAX},
        CTL_KEY_ROWS(o->keys),
        {"deposits", OPTION_FILE, &o->deposits,
         "file for the deposit data of new sealed keys, whose items have no place for it", 0, 0},
        {"keystores-path", OPTION_FOLDER, &o->keystores, "folder of EIP-2335 keystores (none)", 0, 0},
        {"keystores-passwords-path", OPTION_FOLDER, &o->passwords, "folder of NAME.txt for each NAME.json", 0,
         0},
        {"keystores-password-file", OPTION_FILE, &o->password_file, "one password for all keystores", 0, 0},
        {"items", OPTION_FOLDER, &o->items, "folder that keys generate --out has written (none)", 0, 0},
        {"sealed", OPTION_FLAG, &o->is_sealed, "an item for 2,700 keys, opened at once (false)", 0, 0},
        {"replace", OPTION_FLAG, &o->may_replace, "write again what is under this web3signer_uuid (false)", 0,
         0},
        {"move", OPTION_FLAG, &o->may_move, "take keys from another web3signer_uuid (false)", 0, 0},
        {"jobs", OPTION_U32, &o->jobs, "keystores opened at once (one a processor)", 1, CTL_THREADS_MAX},
        {"key-arn", OPTION_TEXT, &o->key_arn, "the KMS key (the stack's)", 0, 0},
        {"kms-via", OPTION_TEXT, &o->kms_via, "address to connect to instead of KMS's (none)", 0, 0},
        CTL_TABLE_ROWS(o->table),
        CTL_AWS_ROWS(o->aws),
    };
    char *const *none;
    return ctl_parse(call, table, ARRAY_LENGTH(table), &none);
}

#define USAGE(condition, ...)                                                                                \
    do {                                                                                                     \
        call->is_usage_error = !(condition);                                                                 \
        ENSURE(condition, E_INPUT, __VA_ARGS__);                                                             \
    } while (0)

static must_check result check_options(const struct ctl_upload_options *o, struct ctl_call *call)
{
    const struct ctl_secret_source *existing = &o->keys.existing_mnemonic;
    bool names_mnemonic = o->keys.mnemonic_fd != CTL_NO_FD || existing->fd != CTL_NO_FD || existing->file;
    int sources = (o->keys.count > 0) + (o->keystores != NULL) + (o->items != NULL);
    USAGE(sources == 1, "one of --count, --keystores-path and --items: required");
    USAGE(o->keys.count || !names_mnemonic, "--mnemonic-fd: goes with --count");
    USAGE(!o->keys.count || ctl_key_has_mnemonic(&o->keys), "--mnemonic-fd: required");
    USAGE(o->keys.count || !o->keys.kdf, "--kdf: goes with --count: a keystore is uploaded as it is");
    USAGE(!o->keystores == (!o->passwords && !o->password_file) && !(o->passwords && o->password_file),
          "one of --keystores-passwords-path and --keystores-password-file: required with --keystores-path");
    USAGE(!o->is_sealed || !o->items, "--sealed: not with --items, which are encrypted already");
    USAGE(!o->is_sealed || !o->may_replace, "--replace: not with --sealed");
    USAGE(!o->is_sealed || !o->may_move, "--move: not with --sealed");
    bool needs_deposits = o->is_sealed && o->keys.count;
    USAGE(needs_deposits == (o->deposits != NULL), "--deposits: %s",
          needs_deposits ? "required with --sealed and --count" : "goes with --sealed and --count");
    return RESULT_OK;
}

static must_check result open_kms(struct ctl_upload *u)
{
    struct ctl_aws_service service = ctl_aws_kms;
    struct net_address via;
    char region[CTL_AWS_REGION_MAX + 1];
    service.connections = KMS_CONNECTIONS;
    service.until_deadline = true;
    if (u->options->kms_via) {
        TRY(ctl_address(&via, u->call, u->options->kms_via, "kms-via"));
        service.via = &via;
    }
    u->key_arn = u->options->key_arn;
    if (!u->key_arn)
        TRY(ctl_aws_output(&u->key_arn, &u->aws, u->call, "KMSKeyARN"));
    result r = ctl_region_of_key(region, sizeof region, u->key_arn, "key-arn");
    if (!r.code && strcmp(region, u->aws.region) != 0)
        r = error_set(E_INPUT, "--key-arn: the key is in %s, and the table in %s", region, u->aws.region);
    u->call->is_usage_error = r.code != 0;
    TRY(r);
    return ctl_aws_client(&u->kms, &u->aws, &service);
}

static must_check result open_all(struct ctl_upload *u, const struct ctl_upload_options *o)
{
    TRY(ctl_key_maker_interpret(&u->maker, u->call, &o->keys, o->is_sealed));
    TRY(ctl_aws_open(&u->aws, u->call, &o->aws));
    TRY(ctl_table_open(&u->table, &u->aws, u->call, &o->table));
    u->table.aws = &u->aws;
    TRY(ctl_require(u->call, u->table.uuid, "stack"));
    u->call->is_usage_error = o->is_sealed && strcmp(u->table.uuid, CTL_UNASSIGNED) == 0;
    ENSURE(!u->call->is_usage_error, E_INPUT,
           "--uuid: sealed keys are bound to it, and could be given to no stack later");
    if (!o->items)
        TRY(open_kms(u));
    return o->keys.count ? ctl_key_maker_begin(&u->maker, u->call, false) : RESULT_OK;
}

static void print_text(const struct ctl_upload *u)
{
    (void)printf("%zu keys written, %zu there already, %zu failed; web3signer_uuid %s, table %s\n",
                 u->num_written, u->num_there, u->num_failed, u->table.uuid, u->table.table);
    if (u->num_moved)
        (void)printf("%zu of them were moved: the signers that had them sign with them until they are "
                     "restarted\n",
                     u->num_moved);
}

static const char *name_of(const struct ctl_upload_key *key)
{
    switch (key->fate) {
    case CTL_UPLOAD_WRITTEN:
        return "written";
    case CTL_UPLOAD_THERE:
        return "there";
    case CTL_UPLOAD_WANTED:
    case CTL_UPLOAD_SEALED:
    case CTL_UPLOAD_FAILED:
        return "failed";
    }
    return "failed";
}

static must_check result print_json(const struct ctl_upload *u)
{
    AUTO(buffer) out = {0};
    TRY(buffer_append_text(&out, "{\"table\": "));
    TRY(json_append_quoted(&out, u->table.table));
    TRY(buffer_printf(&out,
                      ", \"web3signer_uuid\": \"%s\", \"written\": %zu, \"there\": %zu, \"failed\": %zu, "
                      "\"moved\": %zu, \"keys\": [",
                      u->table.uuid, u->num_written, u->num_there, u->num_failed, u->num_moved));
    for (size_t i = 0; i < u->num_keys; i++) {
        char text[CTL_PUBKEY_TEXT];
        hex_encode(text, u->keys[i].pubkey, BLS_PUBKEY_LEN);
        TRY(buffer_printf(&out, "%s\n  {\"pubkey\": \"0x%s\", \"outcome\": \"%s\"}", i ? "," : "", text,
                          name_of(&u->keys[i])));
    }
    (void)printf("%s]}\n", (const char *)out.data);
    return RESULT_OK;
}

/* Of a new mnemonic the same command would make another one, and lose that of the keys that were written. */
static const char *how_to_go_on(const struct ctl_upload *u)
{
    return u->options->keys.mnemonic_fd != CTL_NO_FD
               ? "keep their mnemonic: with it, by --existing-mnemonic-fd, the same command goes on from "
                 "there"
               : "the same command goes on from there";
}

/* What was written may be in two places all the same. */
static must_check result give_up(struct ctl_upload *u, result why)
{
    char text[TEXT_MAX];
    (void)snprintf(text, sizeof text, "%s", error_text());
    if (ctl_upload_check_again(u).code)
        log_error("%s", error_text());
    return error_set((enum error_code)why.code, "%zu keys were written, and %s: %s", u->num_written,
                     how_to_go_on(u), text);
}

static must_check result write_all(struct ctl_upload *u)
{
    TRY(ctl_upload_list(u));
    TRY(ctl_upload_check(u));
    u->progress = ctl_progress_begin(u->num_keys - u->num_there, "keys");
    result r = u->options->items ? ctl_upload_items_write(u) : ctl_upload_write(u);
    ctl_progress_cleanup(&u->progress);
    if (r.code)
        return give_up(u, r);
    TRY(ctl_upload_check_again(u));
    if (u->aws.json)
        return print_json(u);
    print_text(u);
    return RESULT_OK;
}

result ctl_keys_upload(struct ctl_call *call)
{
    struct ctl_upload_options o;
    AUTO(ctl_upload) u = {.options = &o, .call = call};
    TRY(parse_options(&o, call));
    TRY(check_options(&o, call));
    TRY(open_all(&u, &o));
    TRY(write_all(&u));
    ENSURE(u.num_failed == 0, E_INPUT, "%zu keys were not uploaded", u.num_failed);
    return RESULT_OK;
}
