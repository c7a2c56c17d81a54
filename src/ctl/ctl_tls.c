/* ctl_tls.c - tls make: a P-256 key and a self-signed certificate that clients pin as their root.
 *
 * What they are is lib/tls_item's, and the Lambda's too. The key exists in this process and, encrypted, in
 * the item. */
#include <errno.h>
#include <limits.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/file_io.h"
#include "ctl_kms.h"
#include "ctl_report.h"
#include "tls_item/tls_item.h"

DEFINE_AUTO_POINTER(EVP_PKEY, EVP_PKEY_free)

struct options {
    struct ctl_kms_options kms;
    const char *name, *out;
    uint32_t secrets_fd;
    bool replace;
};

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){.secrets_fd = CTL_NO_FD};
    const struct option table[] = {
        {"name", OPTION_TEXT, &o->name, "DNS name by which clients reach the signer", 0, 0},
        {"out", OPTION_FOLDER, &o->out, "folder of items; tls/1.json and tls-cert.pem are written there", 0,
         0},
        {"replace", OPTION_FLAG, &o->replace,
         "put a new key and certificate in the place of those in the folder (false)", 0, 0},
        {"secrets-fd", OPTION_U32, &o->secrets_fd,
         "for tests: descriptor that is given every secret made, one a line", 1, 1023},
        CTL_KMS_ROWS(o->kms),
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_require(call, o->name, "name"));
    TRY(ctl_require(call, o->out, "out"));
    call->is_usage_error = !tls_item_name_valid(o->name);
    ENSURE(!call->is_usage_error, E_INPUT, "--name: must be a DNS name of at most %d characters",
           TLS_ITEM_NAME_MAX);
    return RESULT_OK;
}

static must_check result write_files(const char *folder, const struct buffer *ciphertext_b64,
                                     const struct buffer *pem)
{
    char path[PATH_MAX];
    AUTO(buffer) item = {0};
    TRY(buffer_printf(&item, "{\n  \"key_id\": 1,\n  \"encrypted_tls_key_b64\": \"%s\",\n  \"cert_pem\": \"",
                      (const char *)ciphertext_b64->data));
    TRY(base64_append(&item, pem->data, pem->length));
    TRY(buffer_append_text(&item, "\"\n}\n"));
    (void)snprintf(path, sizeof path, "%s/tls/1.json",
                   folder); /* ctl_make_folder has checked the length of folder */
    TRY(file_write(path, item.data, item.length, 0644));
    (void)snprintf(path, sizeof path, "%s/tls-cert.pem", folder);
    return file_write(path, pem->data, pem->length, 0644);
}

/* The certificate is what clients pin, and the item the only copy of its key. */
static must_check result check_absent(const struct options *o)
{
    static const char *const names[] = {"tls/1.json", "tls-cert.pem"};
    struct stat status;
    for (size_t i = 0; i < ARRAY_LENGTH(names) && !o->replace; i++) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof path, "%s/%s", o->out, names[i]);
        ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "--out: too long");
        ENSURE(lstat(path, &status) != 0 && errno == ENOENT, E_STATE,
               "%s is there already; --replace makes new ones in its place", path);
    }
    return RESULT_OK;
}

result ctl_tls_make(struct ctl_call *call)
{
    struct options o;
    AUTO(ctl_kms) kms = {0};
    AUTO(secret) password = {0};
    AUTO(tls_item) item = {0};
    AUTO(buffer) ciphertext_b64 = {0};
    TRY(parse_options(&o, call));
    TRY(ctl_secrets_open());
    TRY(ctl_kms_open(&kms, call, &o.kms));
    TRY(ctl_make_folder(o.out, "tls"));
    TRY(check_absent(&o));

    AUTO_POINTER(EVP_PKEY) key = EVP_EC_gen("P-256");
    ENSURE(key, E_CRYPTO, "the key cannot be made");
    TRY(ctl_make_password(&password));
    if (o.secrets_fd != CTL_NO_FD)
        TRY(ctl_reveal((int)o.secrets_fd, "tls_password", (const char *)password.data));
    TRY(tls_item_make(&item, key, o.name, &password));
    TRY(ctl_kms_encrypt(&kms, &ciphertext_b64, &item.plaintext));
    TRY(write_files(o.out, &ciphertext_b64, &item.pem));
    if (!call->json) {
        (void)printf("%s/tls-cert.pem\n", o.out);
        return RESULT_OK;
    }
    AUTO_POINTER(json_t)
    object = json_pack("{s:s++,s:s++,s:s}", "item", o.out, "/tls/1", ".json", "certificate", o.out,
                       "/tls-cert", ".pem", "name", o.name);
    return ctl_print_json(object);
}
