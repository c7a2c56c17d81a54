/* enclave_options.c - one table of options for arguments and for the kernel's command line.
 *
 * An enclave's arguments have to be on the command line of its kernel, which PCR0 covers. The hypervisor
 * appends words of its own there, so what stands behind "--" is not ours alone; and words without a dot that
 * the kernel does not know become arguments of PID 1, whoever meant them. So ours have a name with a dot,
 * which the kernel leaves alone, and PID 1 of a machine takes no arguments. Rejected: a file in the ramdisk;
 * an image for tests would then differ from the shipped one in PCR1 and PCR2 too. */
#include "enclave_options.h"

#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/file_io.h"
#include "base/options.h"

#define AUTHORITIES "/etc/nitro-signer/authorities.pem"

enum { KMS_PORT = 8000, DYNAMODB_PORT = 8001, LOG_PORT = 8002, OPTION_ROWS = 19 };

static const char prefix[] = "nitro_signer.";

struct table {
    struct option rows[OPTION_ROWS];
};

static struct table make_table(struct enclave_options *o)
{
    return (struct table){{
        {"control", OPTION_TEXT, &o->control, "where the control port listens (vsock:any:5000)", 0, 0},
        {"https", OPTION_TEXT, &o->https, "where the signer's HTTPS listens (vsock:any:443)", 0, 0},
        {"nsm", OPTION_TEXT, &o->nsm, "the Nitro Security Module, or unix:PATH of a stand-in (/dev/nsm)", 0,
         0},
        {"parent-cid", OPTION_U32, &o->parent_cid,
         "the parent's vsock address, for all that goes out (3): ports 9000, 8000, 8001, 8002", 1,
         UINT32_MAX - 1},
        {"kms-via", OPTION_TEXT, &o->kms_via, "the proxy through which KMS is reached (vsock:3:8000)", 0, 0},
        {"kms-endpoint", OPTION_TEXT, &o->kms_endpoint, "URL of KMS (https://kms.REGION.amazonaws.com)", 0,
         0},
        {"dynamodb-via", OPTION_TEXT, &o->dynamodb_via,
         "the proxy through which DynamoDB is reached (vsock:3:8001)", 0, 0},
        {"dynamodb-endpoint", OPTION_TEXT, &o->dynamodb_endpoint,
         "URL of DynamoDB (https://dynamodb.REGION.amazonaws.com)", 0, 0},
        {"ca-file", OPTION_TEXT, &o->ca_file,
         "PEM file of the authorities that AWS's certificates may come from (PID 1: " AUTHORITIES ")", 0, 0},
        {"authority", OPTION_TEXT, &o->authority,
         "base64 of the DER certificate of the only authority, in place of --ca-file (PID 1)", 0, 0},
        {"log", OPTION_TEXT, &o->log, "where log lines are sent (standard error; PID 1: vsock:3:8002)", 0, 0},
        {"metrics", OPTION_TEXT, &o->metrics, "where metrics are served (nowhere; PID 1: vsock:any:9001)", 0,
         0},
        {"signing-threads", OPTION_U32, &o->signing_threads,
         "threads that sign (as many as there are processors and MiB for secrets, at most 16)", 1, 16},
        LOG_OPTION_ROWS(&o->log_options),
        {"drop-privileges", OPTION_FLAG, &o->drop_privileges,
         "run each child as its own user (true for PID 1)", 0, 0},
    }};
}

/* How many rows are in use: the log's two come from a macro. */
static size_t table_length(const struct table *table)
{
    size_t length = 0;
    while (length < OPTION_ROWS && table->rows[length].name)
        length++;
    return length;
}

static void follow_parent(const char **address, char text[static ENCLAVE_ADDRESS_MAX], uint32_t cid,
                          unsigned port)
{
    if (*address != text)
        return; /* it was given */
    (void)snprintf(text, ENCLAVE_ADDRESS_MAX, "vsock:%u:%u", cid, port);
}

static void follow_parent_cid(struct enclave_options *o)
{
    follow_parent(&o->kms_via, o->kms_address, o->parent_cid, KMS_PORT);
    follow_parent(&o->dynamodb_via, o->dynamodb_address, o->parent_cid, DYNAMODB_PORT);
    follow_parent(&o->log, o->log_address, o->parent_cid, LOG_PORT);
}

void enclave_options_default(struct enclave_options *ret_options, bool is_pid_1)
{
    struct enclave_options *o = ret_options;
    *o = (struct enclave_options){.control = "vsock:any:5000",
                                  .https = "vsock:any:443",
                                  .nsm = "/dev/nsm",
                                  .parent_cid = ENCLAVE_PARENT_CID,
                                  .ca_file = is_pid_1 ? AUTHORITIES : NULL,
                                  .metrics = is_pid_1 ? "vsock:any:9001" : NULL,
                                  .log_options = LOG_OPTIONS_DEFAULT,
                                  .drop_privileges = is_pid_1};
    o->kms_via = o->kms_address;
    o->dynamodb_via = o->dynamodb_address;
    o->log = is_pid_1 ? o->log_address : NULL;
    follow_parent_cid(o);
}

result enclave_options_parse(struct enclave_options *o, int argc, char *const argv[])
{
    struct table table = make_table(o);
    int next = argc;
    result r =
        options_parse(&next, table.rows, table_length(&table),
                      "nitro-signer-enclave [options]\nThe signer inside a Nitro enclave.", argc, argv);
    follow_parent_cid(o);
    if (r.code)
        return r;
    ENSURE(next == argc, E_INPUT, "argument %d: unexpected", next);
    return log_configure(&o->log_options);
}

/* ---- words of a command line ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static must_check result check_value(const char *name, size_t name_len, const char *value, size_t value_len)
{
    ENSURE(value_len > 0, E_INPUT, "%s%.*s: needs a value, =VALUE", prefix, (int)name_len, name);
    for (size_t i = 0; i < value_len; i++)
        ENSURE(value[i] > ' ' && value[i] < 0x7f && value[i] != '"', E_INPUT,
               "%s%.*s: must be printable, without blanks and quotation marks", prefix, (int)name_len, name);
    return RESULT_OK;
}

/* A name that is not ours is only shown as far as it is made of a name's letters. */
static must_check result check_name(const struct enclave_words *words, const char *name, size_t name_len)
{
    size_t letters = 0;
    while (letters < name_len && ((name[letters] >= 'a' && name[letters] <= 'z') || name[letters] == '-'))
        letters++;
    ENSURE(letters == name_len && name_len > 0, E_INPUT, "%s%.*s: names are of a-z and -", prefix,
           (int)letters, name);
    struct enclave_options unused;
    struct table table = make_table(&unused);
    char option[64];
    int length = snprintf(option, sizeof option, "--%.*s", (int)name_len, name);
    ENSURE((size_t)length < sizeof option && options_has(table.rows, table_length(&table), option), E_INPUT,
           "%s%.*s: unknown option", prefix, (int)name_len, name);
    for (int i = 1; i < words->argc; i++)
        ENSURE(strncmp(words->argv[i], option, (size_t)length) != 0 || words->argv[i][length] != '=', E_INPUT,
               "%s%.*s: given twice", prefix, (int)name_len, name);
    return RESULT_OK;
}

/* word begins behind the prefix. */
static must_check result add_word(struct enclave_words *words, size_t *length, const char *word,
                                  size_t word_len)
{
    const char *equals = memchr(word, '=', word_len);
    size_t name_len = equals ? (size_t)(equals - word) : word_len;
    TRY(check_name(words, word, name_len));
    TRY(check_value(word, name_len, equals ? equals + 1 : word + word_len,
                    equals ? word_len - name_len - 1 : 0));
    ENSURE(words->argc <= ENCLAVE_WORDS_MAX, E_TOO_LARGE, "more than %d words %s", ENCLAVE_WORDS_MAX, prefix);
    words->argv[words->argc++] = words->text + *length;
    *length +=
        (size_t)snprintf(words->text + *length, sizeof words->text - *length, "--%.*s", (int)word_len, word) +
        1;
    words->argv[words->argc] = NULL;
    return RESULT_OK;
}

result enclave_options_words(struct enclave_words *ret_words, const char *line, size_t line_len)
{
    static char program[] = "nitro-signer-enclave";
    *ret_words = (struct enclave_words){.argv = {program}, .argc = 1};
    ENSURE(line_len <= ENCLAVE_COMMAND_LINE_MAX, E_TOO_LARGE,
           "the kernel's command line is longer than %d bytes", ENCLAVE_COMMAND_LINE_MAX);
    size_t length = 0;
    const size_t prefix_len = sizeof prefix - 1;
    for (size_t i = 0; i < line_len;) {
        size_t end = i;
        while (end < line_len && !is_blank(line[end]))
            end++;
        if (end - i >= prefix_len && memcmp(line + i, prefix, prefix_len) == 0)
            TRY(add_word(ret_words, &length, line + i + prefix_len, end - i - prefix_len));
        i = end + 1;
    }
    return RESULT_OK;
}

/* ---- the authority ---- */

static void X509_release(X509 *certificate)
{
    X509_free(certificate);
}
DEFINE_AUTO_POINTER(X509, X509_release)

static must_check result check_certificate(const uint8_t *der, size_t der_len)
{
    const uint8_t *at = der;
    AUTO_POINTER(X509) certificate = d2i_X509(NULL, &at, (long)der_len);
    ENSURE(certificate && at == der + der_len, E_INPUT, "must be one X.509 certificate in DER");
    return RESULT_OK;
}

static must_check result authority_to_pem(struct buffer *out, const char *text)
{
    enum { LINE = 64 };
    uint8_t der[ENCLAVE_AUTHORITY_MAX];
    size_t der_len = 0, text_len = strlen(text);
    TRY(base64_decode(der, &der_len, sizeof der, text, text_len));
    TRY(check_certificate(der, der_len));
    TRY(buffer_append_text(out, "-----BEGIN CERTIFICATE-----\n"));
    for (size_t i = 0; i < text_len; i += LINE)
        TRY(buffer_printf(out, "%.*s\n", LINE, text + i));
    return buffer_append_text(out, "-----END CERTIFICATE-----\n");
}

result enclave_options_write_authority(struct enclave_options *o, const char *path)
{
    if (!o->authority)
        return RESULT_OK;
    AUTO(buffer) pem = {0};
    result r = authority_to_pem(&pem, o->authority);
    if (r.code)
        return error_prefix(r, "--authority");
    TRY(file_write(path, pem.data, pem.length, 0644));
    o->ca_file = path;
    return RESULT_OK;
}
