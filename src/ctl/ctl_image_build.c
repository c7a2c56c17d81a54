/* ctl_image_build.c - image build: an enclave image from its parts.
 *
 * The output depends on the arguments and the files they name, and on SOURCE_DATE_EPOCH, which only the
 * metadata show: not on the clock, the user, the umask, the folder or the locale. A signature is the
 * exception, as ECDSA's differ each time; the measurements do not cover it. Rejected: taking the build time
 * from the clock, as nitro-cli does. */
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file_io.h"
#include "base/version.h"
#include "ctl.h"
#include "ctl_image.h"
#include "nitro/nitro_cpio.h"
#include "nitro/nitro_eif_signature.h"

enum {
    CUSTOM_METADATA_MAX = 4096 /* nitro-cli's */,
    KERNEL_CONFIG_MAX = 1 << 20,
    PEM_MAX = 15000,
    VALUES_MAX = 1024
};
/* The last second of the year 9999. */
#define BUILD_TIME_MAX UINT64_C(253402300799)

DEFINE_AUTO_POINTER(EVP_PKEY, EVP_PKEY_free)
DEFINE_AUTO_POINTER(BIO, BIO_free_all)

struct options {
    const char *architecture, *kernel, *kernel_config, *cmdline, *sources, *name, *version, *build_time,
        *metadata;
    const char *certificate, *private_key, *output;
    struct option_list ramdisks;
};

/* The parts, read whole. */
struct parts {
    struct buffer kernel, metadata, signature, image;
    struct buffer ramdisks[NITRO_EIF_RAMDISKS_MAX];
};

static void parts_cleanup(struct parts *parts)
{
    buffer_cleanup(&parts->kernel);
    buffer_cleanup(&parts->metadata);
    buffer_cleanup(&parts->signature);
    buffer_cleanup(&parts->image);
    for (size_t i = 0; i < NITRO_EIF_RAMDISKS_MAX; i++)
        buffer_cleanup(&parts->ramdisks[i]);
}

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){.architecture = "x86_64", .name = "nitro-signer", .version = version_number};
    const struct option table[] = {
        {"kernel", OPTION_FILE, &o->kernel, "the kernel: a bzImage, for arm64 an Image", 0, 0},
        {"cmdline", OPTION_TEXT, &o->cmdline, "the kernel's command line", 0, 0},
        {"ramdisk", OPTION_LIST, &o->ramdisks,
         "a manifest of what is in a ramdisk, or a cpio archive, perhaps compressed; again for each", 0, 0},
        {"sources", OPTION_FOLDER, &o->sources,
         "where the files are that manifests name (each manifest's folder)", 0, 0},
        {"architecture", OPTION_CHOICE, &o->architecture, "x86_64|arm64 of the kernel (x86_64)", 0, 0},
        {"image-name", OPTION_TEXT, &o->name, "in the metadata (nitro-signer)", 0, 0},
        {"image-version", OPTION_TEXT, &o->version, "in the metadata (this program's)", 0, 0},
        {"build-time", OPTION_TEXT, &o->build_time,
         "in the metadata: seconds since 1970 (SOURCE_DATE_EPOCH of the environment, else 0)", 0, 0},
        {"kernel-config", OPTION_FILE, &o->kernel_config,
         "the kernel's .config, whose version goes to the metadata", 0, 0},
        {"metadata", OPTION_FILE, &o->metadata, "a JSON object of at most 4096 bytes for the metadata", 0, 0},
        {"signing-certificate", OPTION_FILE, &o->certificate,
         "sign: the certificate (PEM) that PCR8 measures", 0, 0},
        {"private-key", OPTION_FILE, &o->private_key, "its private key (PEM; P-256, P-384 or P-521)", 0, 0},
        {"out", OPTION_FILE, &o->output, "the image", 0, 0},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_require(call, o->kernel, "kernel"));
    TRY(ctl_require(call, o->cmdline, "cmdline"));
    TRY(ctl_require(call, o->ramdisks.num_values > 0 ? o : NULL, "ramdisk"));
    TRY(ctl_require(call, o->output, "out"));
    if (o->certificate || o->private_key) {
        TRY(ctl_require(call, o->certificate, "signing-certificate"));
        TRY(ctl_require(call, o->private_key, "private-key"));
    }
    call->is_usage_error = true;
    ENSURE(o->ramdisks.num_values <= NITRO_EIF_RAMDISKS_MAX, E_INPUT, "--ramdisk: at most %d",
           NITRO_EIF_RAMDISKS_MAX);
    call->is_usage_error = false;
    return RESULT_OK;
}

/* As Linux's init/initramfs.c and lib/decompress.c tell them. */
static bool is_archive(const struct buffer *file)
{
    static const struct {
        const char *bytes;
        size_t length;
    } heads[] = {{"070701", 6}, {"\x1f\x8b", 2}, {"\x28\xb5\x2f\xfd", 4}, {"\xfd\x37\x7a\x58\x5a", 5}};
    for (size_t i = 0; i < ARRAY_LENGTH(heads); i++)
        if (file->length > heads[i].length && memcmp(file->data, heads[i].bytes, heads[i].length) == 0)
            return true;
    return false;
}

static must_check result read_ramdisk(struct buffer *out, const char *path, const char *sources)
{
    AUTO(buffer) file = {0};
    TRY(file_read(&file, path, NITRO_CPIO_SIZE_MAX));
    if (nitro_cpio_is_manifest(file.data, file.length)) {
        result r = ctl_image_pack(out, &file, path, sources);
        return r.code ? error_prefix(r, "%s", path) : r;
    }
    ENSURE(is_archive(&file), E_INPUT, "%s: neither a manifest nor a cpio archive", path);
    *out = file;
    file = (struct buffer){0};
    return RESULT_OK;
}

/* As chrono writes it: 2026-01-31T12:00:00+00:00. */
static must_check result build_time(char ret_text[static 26], const char *option)
{
    uint64_t seconds = 0;
    struct tm tm;
    const char *environment = getenv("SOURCE_DATE_EPOCH"), *text = option ? option : environment;
    const char *origin = option ? "--build-time" : "SOURCE_DATE_EPOCH";
    result r = text ? parse_u64(&seconds, text) : RESULT_OK;
    ENSURE(!r.code && seconds <= BUILD_TIME_MAX, E_INPUT, "%s: must be seconds since 1970", origin);
    time_t at = (time_t)seconds;
    ENSURE(gmtime_r(&at, &tm) && strftime(ret_text, 26, "%Y-%m-%dT%H:%M:%S+00:00", &tm) == 25, E_INTERNAL,
           "%s: cannot be a date", origin);
    return RESULT_OK;
}

/* The third line of a .config is like "# Linux/x86_64 6.12.48-1 Kernel Configuration"; nitro-cli takes from
 * it the system and the version up to the first dash. */
static must_check result read_kernel_config(json_t *build, const char *path)
{
    AUTO(buffer) text = {0};
    char system[32], version[32];
    TRY(file_read(&text, path, KERNEL_CONFIG_MAX));
    const char *line = text.data ? (const char *)text.data : "";
    for (int i = 0; i < 2 && line; i++)
        line = (line = strchr(line, '\n')) ? line + 1 : NULL;
    ENSURE(line && sscanf(line, "# %31[A-Za-z]/%*[A-Za-z0-9_] %31[0-9A-Za-z.]", system, version) == 2,
           E_INPUT, "%s: the third line does not name the kernel's version", path);
    bool is_set = json_object_set_new(build, "OperatingSystem", json_string(system)) == 0 &&
                  json_object_set_new(build, "KernelVersion", json_string(version)) == 0;
    ENSURE(is_set, E_MEMORY, "out of memory");
    return RESULT_OK;
}

static must_check result read_custom(json_t **ret_object, const char *path)
{
    AUTO(buffer) text = {0};
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view;
    TRY(file_read(&text, path, CUSTOM_METADATA_MAX));
    result r = json_read(&root, text.data ? (const char *)text.data : "", text.length, CUSTOM_METADATA_MAX,
                         VALUES_MAX);
    if (!r.code)
        r = json_view_root(&view, root);
    if (r.code)
        return error_prefix(r, "%s", path);
    *ret_object = TAKE(root);
    return RESULT_OK;
}

static int append_text(const char *text, size_t text_len, void *out)
{
    return buffer_append(out, text, text_len).code;
}

static must_check result make_metadata(struct buffer *out, const struct options *o)
{
    char time_text[26];
    AUTO_POINTER(json_t) custom = json_object();
    TRY(build_time(time_text, o->build_time));
    AUTO_POINTER(json_t)
    build = json_pack("{s:s,s:s,s:s,s:s,s:s}", "BuildTime", time_text, "BuildTool", "nitro-signer-ctl",
                      "BuildToolVersion", version_number, "OperatingSystem", "Unknown", "KernelVersion",
                      "Unknown");
    ENSURE(custom && build, E_MEMORY, "out of memory");
    if (o->kernel_config)
        TRY(read_kernel_config(build, o->kernel_config));
    if (o->metadata) {
        json_decref(TAKE(custom));
        TRY(read_custom(&custom, o->metadata));
    }
    AUTO_POINTER(json_t)
    root = json_pack("{s:s,s:s,s:O,s:{},s:O}", "ImageName", o->name, "ImageVersion", o->version,
                     "BuildMetadata", build, "DockerInfo", "CustomMetadata", custom);
    ENSURE(root, E_INPUT, "--image-name and --image-version: must be UTF-8");
    int failed = json_dump_callback(root, append_text, out, JSON_COMPACT);
    ENSURE(!failed, E_MEMORY, "out of memory");
    return RESULT_OK;
}

static must_check result read_key(EVP_PKEY **ret_key, const char *path)
{
    AUTO(secret) pem = {0};
    TRY(secret_read_file(&pem, path, PEM_MAX));
    AUTO_POINTER(BIO) bio = pem.length > 0 ? BIO_new_mem_buf(pem.data, (int)pem.length) : NULL;
    /* An empty password, so that OpenSSL does not ask at the terminal for that of an encrypted key. */
    char none[] = "";
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, none) : NULL;
    ENSURE(key, E_INPUT, "%s: not a private key in PEM, or an encrypted one", path);
    *ret_key = key;
    return RESULT_OK;
}

static must_check result sign(struct buffer *out, X509 **ret_certificate, const struct options *o,
                              const struct nitro_eif_measurements *measured)
{
    AUTO(buffer) pem = {0};
    AUTO_POINTER(X509) certificate = NULL;
    AUTO_POINTER(EVP_PKEY) key = NULL;
    TRY(file_read(&pem, o->certificate, PEM_MAX));
    TRY(nitro_eif_certificate_read(&certificate, pem.data, pem.length));
    TRY(read_key(&key, o->private_key));
    TRY(nitro_eif_signature_make(out, measured->pcr0, certificate, key));
    *ret_certificate = TAKE(certificate);
    return RESULT_OK;
}

static struct nitro_eif_part part_of(const struct buffer *buffer)
{
    return (struct nitro_eif_part){buffer->data, buffer->length};
}

static must_check result read_parts(struct nitro_eif *eif, struct parts *parts, const struct options *o)
{
    *eif = (struct nitro_eif){
        .architecture = strcmp(o->architecture, "arm64") == 0 ? NITRO_EIF_ARM64 : NITRO_EIF_X86_64,
        .default_memory = NITRO_EIF_DEFAULT_MEMORY,
        .default_cpus = NITRO_EIF_DEFAULT_CPUS,
        .cmdline = {(const uint8_t *)o->cmdline, strlen(o->cmdline)},
        .num_ramdisks = o->ramdisks.num_values,
    };
    TRY(file_read(&parts->kernel, o->kernel, NITRO_EIF_SIZE_MAX));
    TRY(make_metadata(&parts->metadata, o));
    for (size_t i = 0; i < eif->num_ramdisks; i++) {
        TRY(read_ramdisk(&parts->ramdisks[i], o->ramdisks.values[i], o->sources));
        eif->ramdisks[i] = part_of(&parts->ramdisks[i]);
    }
    eif->kernel = part_of(&parts->kernel);
    eif->metadata = part_of(&parts->metadata);
    return RESULT_OK;
}

result ctl_image_build(struct ctl_call *call)
{
    struct options o;
    struct nitro_eif eif, checked;
    struct nitro_eif_measurements measured;
    AUTO(parts) parts = {0};
    AUTO_POINTER(X509) certificate = NULL;
    AUTO_POINTER(json_t) object = NULL;
    TRY(parse_options(&o, call));
    if (o.private_key)
        TRY(ctl_secrets_open());
    TRY(read_parts(&eif, &parts, &o));
    TRY(nitro_eif_measure(&measured, &eif));
    if (o.private_key)
        TRY(sign(&parts.signature, &certificate, &o, &measured));
    eif.signature = part_of(&parts.signature);
    TRY(nitro_eif_write(&parts.image, &eif));
    /* What describe would refuse is not written. */
    TRY(nitro_eif_read(&checked, parts.image.data, parts.image.length));
    TRY(ctl_image_measurements(&object, &measured, certificate));
    TRY(file_write(o.output, parts.image.data, parts.image.length, 0644));
    AUTO_POINTER(json_t) root = json_pack("{s:O}", "Measurements", object);
    return ctl_image_print(root);
}
