/* ctl_upload_open.c - keys upload: one key's secrets, from its keystore or from the mnemonic.
 *
 * A keystore is opened before it is uploaded: a wrong password would be found by nobody until an enclave
 * starts. */
#include "ctl_upload.h"

#include <stdio.h>
#include <string.h>

#include "base/file_io.h"
#include "ctl_keystores.h"
#include "keystore/keystore_file.h"

void ctl_upload_work_cleanup(struct ctl_upload_work *work)
{
    secret_cleanup(&work->secret);
    secret_cleanup(&work->password);
    secret_cleanup(&work->plaintext);
    buffer_cleanup(&work->deposit);
}

result ctl_upload_pubkey(uint8_t ret_pubkey[static BLS_PUBKEY_LEN], const struct key_source *source)
{
    AUTO(buffer) json = {0};
    AUTO(secret) password = {0};
    AUTO(keystore) keystore = {0};
    struct keystore_file file;
    if (source->kind == KEY_SOURCE_BROKEN)
        return error_set(source->error, "%s", source->failure);
    TRY(file_read(&json, source->keystore_path, CTL_KEYSTORE_FILE_MAX));
    TRY(keystore_file_parse(&file, (const char *)json.data, json.length, CTL_KDF_MEMORY_MAX));
    if (!file.has_pubkey) {
        buffer_cleanup(&json);
        json = (struct buffer){0};
        TRY(ctl_keystore_open(&keystore, &json, &password, source));
    }
    memcpy(ret_pubkey, file.has_pubkey ? file.pubkey : keystore.pubkey, BLS_PUBKEY_LEN);
    return RESULT_OK;
}

static must_check result open_keystore(struct ctl_upload_work *work)
{
    const struct ctl_upload *u = work->upload;
    AUTO(buffer) json = {0};
    AUTO(keystore) keystore = {0};
    TRY(ctl_keystore_open(&keystore, &json, &work->password, &u->sources.items[work->key->number]));
    ENSURE(memcmp(keystore.pubkey, work->key->pubkey, BLS_PUBKEY_LEN) == 0, E_MISMATCH,
           "the file has changed meanwhile");
    work->secret = keystore.secret;
    keystore.secret = (struct secret){0};
    if (u->options->is_sealed)
        return RESULT_OK;
    return ctl_keystore_encode(&work->plaintext, &json, &work->password);
}

static must_check result make_key(struct ctl_upload_work *work)
{
    const struct ctl_upload *u = work->upload;
    uint32_t index = (uint32_t)work->key->number;
    char path[CTL_KEY_PATH_MAX];
    uint8_t pubkey[BLS_PUBKEY_LEN];
    AUTO(buffer) keystore = {0};
    TRY(ctl_key_maker_derive(&u->maker, &work->secret, path, pubkey, index));
    if (u->options->is_sealed)
        return RESULT_OK;
    TRY(ctl_key_maker_deposit(&u->maker, &work->deposit, &work->secret, index));
    TRY(ctl_key_maker_keystore(&u->maker, &keystore, &work->password, &work->secret, path));
    return ctl_key_plaintext(&work->plaintext, &keystore, &work->password);
}

static void open_one(void *works, size_t number)
{
    struct ctl_upload_work *work = (struct ctl_upload_work *)works + number;
    work->outcome = work->upload->options->keystores ? open_keystore(work) : make_key(work);
    (void)snprintf(work->text, sizeof work->text, "%s", work->outcome.code ? error_text() : "");
}

result ctl_upload_open(struct ctl_upload_work *works, size_t num, size_t threads)
{
    return ctl_parallel(open_one, works, num, threads);
}
