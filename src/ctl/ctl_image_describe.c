/* ctl_image_describe.c - image describe: what nitro-cli describe-eif says of an image, in its words.
 *
 * An image whose CRC or signature is wrong is refused, not described with CheckCRC or SignatureCheck false: a
 * script that reads PCR0 and nothing else must not get one. */
#include <openssl/asn1.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "ctl.h"
#include "ctl_image.h"
#include "nitro/nitro_eif_signature.h"

enum { VALUES_MAX = 65536, OBJECT_NAME_MAX = 80 };

DEFINE_AUTO_POINTER(BIO, BIO_free_all)

static must_check result set(json_t *object, const char *name, json_t *value)
{
    /* Takes the value over whether or not it succeeds. */
    int failed = json_object_set_new(object, name, value);
    ENSURE(!failed, E_MEMORY, "%s: out of memory, or not UTF-8", name);
    return RESULT_OK;
}

static must_check result set_register(json_t *object, const char *name,
                                      const uint8_t pcr[static NITRO_EIF_PCR_LEN])
{
    char digits[2 * NITRO_EIF_PCR_LEN + 1];
    hex_encode(digits, pcr, NITRO_EIF_PCR_LEN);
    return set(object, name, json_string(digits));
}

result ctl_image_measurements(json_t **ret_object, const struct nitro_eif_measurements *measured,
                              X509 *certificate)
{
    AUTO_POINTER(json_t) object = json_object();
    /* The debug text of a Rust type; scripts know it. */
    TRY(set(object, "HashAlgorithm", json_string("Sha384 { ... }")));
    TRY(set_register(object, "PCR0", measured->pcr0));
    TRY(set_register(object, "PCR1", measured->pcr1));
    TRY(set_register(object, "PCR2", measured->pcr2));
    if (certificate) {
        uint8_t pcr8[NITRO_EIF_PCR_LEN];
        TRY(nitro_eif_certificate_measure(pcr8, certificate));
        TRY(set_register(object, "PCR8", pcr8));
    }
    *ret_object = TAKE(object);
    return RESULT_OK;
}

result ctl_image_print(const json_t *object)
{
    int failed = json_dumpf(object, stdout, JSON_INDENT(2));
    ENSURE(!failed, E_IO, "standard output: cannot be written");
    (void)putchar('\n');
    return RESULT_OK;
}

static must_check result describe_issuer(json_t *out, X509 *certificate)
{
    const X509_NAME *issuer = X509_get_issuer_name(certificate);
    for (int i = 0; i < X509_NAME_entry_count(issuer); i++) {
        X509_NAME_ENTRY *entry = X509_NAME_get_entry(issuer, i);
        char name[OBJECT_NAME_MAX];
        unsigned char *value = NULL;
        ENSURE(OBJ_obj2txt(name, sizeof name, X509_NAME_ENTRY_get_object(entry), 0) > 0, E_INPUT,
               "the certificate's issuer cannot be read");
        int length = ASN1_STRING_to_UTF8(&value, X509_NAME_ENTRY_get_data(entry));
        ENSURE(length >= 0, E_INPUT, "the certificate's issuer cannot be read");
        json_t *text = json_stringn((const char *)value, (size_t)length);
        OPENSSL_free(value);
        TRY(set(out, name, text));
    }
    return RESULT_OK;
}

static must_check result set_time(json_t *object, const char *name, const ASN1_TIME *at)
{
    char *text;
    AUTO_POINTER(BIO) bio = BIO_new(BIO_s_mem());
    ENSURE(bio && ASN1_TIME_print(bio, at) == 1, E_INPUT, "the certificate's %s cannot be read", name);
    long length = BIO_get_mem_data(bio, &text);
    return set(object, name, json_stringn(text, (size_t)length));
}

static must_check result set_signature(json_t *object, X509 *certificate)
{
    const ASN1_BIT_STRING *signature;
    const X509_ALGOR *algorithm;
    char name[OBJECT_NAME_MAX];
    AUTO(buffer) text = {0};
    X509_get0_signature(&signature, &algorithm, certificate);
    ENSURE(OBJ_obj2txt(name, sizeof name, algorithm->algorithm, 0) > 0, E_INPUT,
           "the certificate cannot be read");
    for (int i = 0; i < ASN1_STRING_length(signature); i++)
        TRY(buffer_printf(&text, "%s%02X", i > 0 ? ":" : "", ASN1_STRING_get0_data(signature)[i]));
    TRY(set(object, "Algorithm", json_string(name)));
    TRY(set_time(object, "NotBefore", X509_get0_notBefore(certificate)));
    TRY(set_time(object, "NotAfter", X509_get0_notAfter(certificate)));
    return set(object, "Signature", json_string(text.data ? (const char *)text.data : ""));
}

static must_check result describe_certificate(json_t *out, X509 *certificate)
{
    AUTO_POINTER(json_t) issuer = json_object();
    AUTO_POINTER(json_t) object = json_object();
    TRY(describe_issuer(issuer, certificate));
    TRY(set(object, "IssuerName", json_incref(issuer)));
    TRY(set_signature(object, certificate));
    return set(out, "SigningCertificate", json_incref(object));
}

/* Copies a text member of one object to another. */
static must_check result copy_text(json_t *out, const struct json_view *from, const char *name)
{
    const char *text;
    TRY(json_get_text(&text, NULL, from, name));
    return set(out, name, json_string(text));
}

/* The metadata, flattened as nitro-cli has them. */
static must_check result describe_metadata(json_t *out, const struct nitro_eif_part *section)
{
    static const char *const names[] = {"BuildTime", "BuildTool", "BuildToolVersion", "OperatingSystem",
                                        "KernelVersion"};
    struct json_view root, build, custom;
    AUTO_POINTER(json_t) document = NULL;
    AUTO_POINTER(json_t) metadata = json_object();
    TRY(json_read(&document, (const char *)section->bytes, section->length, NITRO_EIF_METADATA_MAX,
                  VALUES_MAX));
    TRY(json_view_root(&root, document));
    TRY(copy_text(out, &root, "ImageName"));
    TRY(copy_text(out, &root, "ImageVersion"));
    TRY(json_get_object(&build, &root, "BuildMetadata"));
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        TRY(copy_text(metadata, &build, names[i]));
    if (json_has(&root, "DockerInfo"))
        TRY(set(metadata, "DockerInfo", json_incref(json_object_get(document, "DockerInfo"))));
    if (json_has(&root, "CustomMetadata")) {
        TRY(json_get_object(&custom, &root, "CustomMetadata"));
        /* Nobody vouches for it: it must not stand in for what the builder wrote. */
        ENSURE(json_object_update_missing(metadata, json_object_get(document, "CustomMetadata")) == 0,
               E_MEMORY, "out of memory");
    }
    return set(out, "Metadata", json_incref(metadata));
}

static must_check result describe(json_t *out, const struct nitro_eif *eif)
{
    struct nitro_eif_measurements measured;
    AUTO_POINTER(X509) certificate = NULL;
    AUTO_POINTER(json_t) measurements = NULL;
    TRY(nitro_eif_measure(&measured, eif));
    if (eif->signature.length > 0)
        TRY(nitro_eif_signature_verify(&certificate, &eif->signature, measured.pcr0));
    TRY(ctl_image_measurements(&measurements, &measured, certificate));
    TRY(set(out, "EifVersion", json_integer(NITRO_EIF_VERSION)));
    TRY(set(out, "Measurements", json_incref(measurements)));
    TRY(set(out, "IsSigned", json_boolean(certificate)));
    if (certificate)
        TRY(describe_certificate(out, certificate));
    TRY(set(out, "CheckCRC", json_true()));
    if (certificate)
        TRY(set(out, "SignatureCheck", json_true()));
    result r = describe_metadata(out, &eif->metadata);
    return r.code ? error_prefix(r, "metadata") : r;
}

result ctl_image_describe(struct ctl_call *call)
{
    char *const *file;
    struct nitro_eif eif;
    AUTO(buffer) bytes = {0};
    AUTO_POINTER(json_t) object = json_object();
    TRY(ctl_parse(call, NULL, 0, &file));
    TRY(file_read(&bytes, file[0], NITRO_EIF_SIZE_MAX));
    result r = nitro_eif_read(&eif, bytes.data, bytes.length);
    if (!r.code)
        r = describe(object, &eif);
    return r.code ? error_prefix(r, "%s", file[0]) : ctl_image_print(object);
}
