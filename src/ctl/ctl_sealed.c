/* ctl_sealed.c - keys generate --sealed.
 *
 * The data key is made here and given to KMS Encrypt, which needs no more permission than the other items do;
 * KMS GenerateDataKey would be one more action to allow, and would let KMS's answer choose the key. The
 * deposit data is public and no business of the host that starts enclaves: it goes to a file of its own. */
#include "ctl_sealed.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/file_io.h"
#include "base/hex.h"

void ctl_sealed_cleanup(struct ctl_sealed *sealed)
{
    nitro_sealed_cleanup(&sealed->sealer);
    nitro_sealed_cleanup(&sealed->opener);
    secret_cleanup(&sealed->data_key);
    buffer_cleanup(&sealed->blobs);
    buffer_cleanup(&sealed->deposits);
}

static must_check result reveal(const struct secret *data_key, uint32_t fd)
{
    AUTO(secret) digits = {0};
    if (fd == CTL_NO_FD)
        return RESULT_OK;
    TRY(secret_new(&digits, 2 * NITRO_SEALED_DATA_KEY_LEN));
    hex_encode((char *)digits.data, data_key->data, NITRO_SEALED_DATA_KEY_LEN);
    return ctl_reveal((int)fd, "data_key", (const char *)digits.data);
}

result ctl_sealed_begin(struct ctl_sealed *ret_sealed, const char *uuid, uint32_t secrets_fd)
{
    AUTO(ctl_sealed) sealed = {0};
    TRY(ctl_random(&sealed.data_key, NITRO_SEALED_DATA_KEY_LEN));
    TRY(reveal(&sealed.data_key, secrets_fd));
    TRY(nitro_sealed_begin(&sealed.sealer, &sealed.data_key, uuid, true));
    TRY(nitro_sealed_begin(&sealed.opener, &sealed.data_key, uuid, false));
    *ret_sealed = sealed;
    sealed = (struct ctl_sealed){0};
    return RESULT_OK;
}

static must_check result self_check(struct ctl_sealed *sealed, const uint8_t *blob, const struct secret *key)
{
    AUTO(secret) opened = {0};
    TRY(secret_new(&opened, BLS_SECRET_LEN));
    TRY(nitro_sealed_open(&sealed->opener, opened.data, blob));
    ENSURE(secret_equal(opened.data, key->data, BLS_SECRET_LEN), E_INTERNAL, "a blob holds another key");
    return RESULT_OK;
}

/* The datum comes as a list of one. */
static must_check result add_deposit(struct buffer *deposits, const struct buffer *deposit)
{
    const char *list = (const char *)deposit->data, *begin = strchr(list, '['), *end = strrchr(list, ']');
    ENSURE(begin && end && end > begin, E_INTERNAL, "a deposit datum is no list");
    if (deposits->length)
        TRY(buffer_append_text(deposits, ","));
    return buffer_append(deposits, begin + 1, (size_t)(end - begin - 1));
}

result ctl_sealed_add(struct ctl_sealed *sealed, const struct secret *key,
                      const uint8_t pubkey[static BLS_PUBKEY_LEN], const struct buffer *deposit)
{
    uint8_t blob[NITRO_SEALED_LEN];
    TRY(nitro_sealed_seal(&sealed->sealer, blob, key->data, pubkey));
    TRY(self_check(sealed, blob, key));
    if (!sealed->blobs.length)
        hex_encode(sealed->name, pubkey, BLS_PUBKEY_LEN);
    TRY(buffer_append(&sealed->blobs, blob, sizeof blob));
    return deposit ? add_deposit(&sealed->deposits, deposit) : RESULT_OK;
}

static must_check result write_file(const char *out, const char *folder, const char *name,
                                    const struct buffer *text)
{
    char path[PATH_MAX];
    TRY(ctl_make_folder(out, folder));
    int length = snprintf(path, sizeof path, "%s/%s/%s.json", out, folder, name);
    ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "--out: the path is too long");
    return file_write(path, text->data, text->length, 0644);
}

result ctl_sealed_write(struct ctl_sealed *sealed, struct ctl_kms *kms, const char *out, const char *chain)
{
    char now[21];
    AUTO(buffer) item = {0}, deposits = {0};
    ctl_now(now);
    TRY(buffer_printf(&item,
                      "{\n  \"web3signer_uuid\": \"%s\",\n  \"chain\": \"%s\",\n  \"datetime\": \"%s\",\n"
                      "  \"active\": true,\n  \"encrypted_data_key_b64\": \"",
                      sealed->sealer.uuid, chain, now));
    TRY(ctl_kms_encrypt(kms, &item, &sealed->data_key));
    TRY(buffer_append_text(&item, "\",\n  \"sealed_keys_b64\": \""));
    TRY(base64_append(&item, sealed->blobs.data, sealed->blobs.length));
    TRY(buffer_append_text(&item, "\"\n}\n"));
    TRY(write_file(out, "sealed", sealed->name, &item));
    TRY(buffer_append_text(&deposits, "["));
    TRY(buffer_append(&deposits, sealed->deposits.data, sealed->deposits.length));
    TRY(buffer_append_text(&deposits, "]\n"));
    return write_file(out, "deposits", sealed->name, &deposits);
}
