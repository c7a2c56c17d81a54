/* ctl_import.c - keys import: keystores into a running stand-alone signer, by the Key Manager API that such
 * signers have. Passwords go with them: to https, or to this machine.
 *
 * A request's body is in locked memory; libcurl and OpenSSL have what they send for as long as they do.
 * Rejected: to open the keystores here first, which would double the time and find what the signer says. */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "base/log.h"
#include "ctl_key_items.h"
#include "ctl_keystores.h"
#include "ctl_prompt.h"
#include "ctl_report.h"
#include "keystore/keystore_file.h"
#include "json/json.h"

enum {
    AT_ONCE = 16,
    ANSWER_MAX = 1 << 20,
    ANSWER_VALUES = 1024,
    TIMEOUT_S = 300,
    URL_MAX = 1024,
    HISTORY_MAX = 256 << 10,
    KDF_MEMORY_MAX = 1 << 30
};

typedef struct curl_slist curl_slist;
DEFINE_AUTO_POINTER(CURL, curl_easy_cleanup)
DEFINE_AUTO_POINTER(curl_slist, curl_slist_free_all)

struct options {
    struct ctl_keystore_options keystores;
    struct ctl_secret_source token;
    const char *url, *ca_file, *history;
};

struct run {
    struct options options;
    struct key_sources keystores;
    struct secret header; /* Authorization */
    struct buffer history;
    struct ctl_key_report report;
    size_t num_failed;
};

static void run_cleanup(struct run *run)
{
    key_sources_cleanup(&run->keystores);
    secret_cleanup(&run->header);
    buffer_cleanup(&run->history);
    ctl_key_report_cleanup(&run->report);
}

/* One request's keystores and passwords, as jansson has them, in locked memory. */
static must_check result add_keystore(json_t *body, const struct key_source *source)
{
    AUTO(buffer) json = {0};
    AUTO(secret) password = {0};
    TRY(ctl_keystore_read(&json, &password, source));
    bool added = json_array_append_new(json_object_get(body, "keystores"),
                                       json_stringn((const char *)json.data, json.length)) == 0 &&
                 json_array_append_new(json_object_get(body, "passwords"),
                                       json_stringn((const char *)password.data, password.length)) == 0;
    ENSURE(added, E_INPUT, "%s: must be UTF-8, and so must its password", source->origin);
    return RESULT_OK;
}

static size_t on_data(char *bytes, size_t size, size_t count, void *context)
{
    struct buffer *answer = context;
    result r = answer->length + size * count > ANSWER_MAX ? error_set(E_TOO_LARGE, "the answer is too long")
                                                          : buffer_append(answer, bytes, size * count);
    return r.code ? 0 : size * count;
}

static must_check result post(struct buffer *answer, const struct run *run, const char *body)
{
    const struct options *o = &run->options;
    char url[URL_MAX];
    long status = 0;
    AUTO_POINTER(CURL) curl = curl_easy_init();
    AUTO_POINTER(curl_slist) headers = curl_slist_append(NULL, "Content-Type: application/json");
    ENSURE(curl && headers, E_MEMORY, "libcurl does not start");
    if (run->header.data)
        headers = curl_slist_append(headers, (const char *)run->header.data);
    (void)snprintf(url, sizeof url, "%s/eth/v1/keystores", o->url);
    bool set = curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http") == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
               (!o->ca_file || curl_easy_setopt(curl, CURLOPT_CAINFO, o->ca_file) == CURLE_OK) &&
               curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer) == CURLE_OK;
    ENSURE(set, E_INTERNAL, "libcurl refuses an option");
    CURLcode code = curl_easy_perform(curl);
    ENSURE(code == CURLE_OK, E_PEER, "%s: %s", o->url, curl_easy_strerror(code));
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    ENSURE(status == 200, E_PEER, "%s: answered %ld%s", o->url, status,
           status == 401 ? ": --token-fd or --token-file has the key manager's token" : "");
    return RESULT_OK;
}

/* imported and duplicate are right; what is not is said, and costs no other key. */
static must_check result take_status(struct run *run, const struct json_view *one,
                                     const struct key_source *source)
{
    struct keystore_file file;
    AUTO(buffer) json = {0};
    const char *status, *message = NULL;
    char digits[2 * BLS_PUBKEY_LEN + 1], shown[200];
    TRY(json_get_text(&status, NULL, one, "status"));
    TRY(json_get_text_optional(&message, NULL, one, "message"));
    if (strcmp(status, "imported") != 0 && strcmp(status, "duplicate") != 0) {
        ctl_printable(shown, sizeof shown, message ? message : status);
        log_error("%s: %s", source->origin, shown);
        run->num_failed++;
        return RESULT_OK;
    }
    TRY(file_read(&json, source->keystore_path, CTL_KEYSTORE_FILE_MAX));
    TRY(keystore_file_parse(&file, (const char *)json.data, json.length, KDF_MEMORY_MAX));
    hex_encode(digits, file.pubkey, sizeof file.pubkey);
    return ctl_key_report_add(&run->report, source->origin, digits);
}

static must_check result take_answer(struct run *run, const struct buffer *answer, size_t first, size_t num)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root, data, one;
    TRY(json_read(&document, answer->data ? (const char *)answer->data : "", answer->length, ANSWER_MAX,
                  ANSWER_VALUES));
    TRY(json_view_root(&root, document));
    TRY(json_get_array(&data, &root, "data", num));
    ENSURE(json_array_size(data.value) == num, E_PEER, "data: must have a status for each keystore");
    for (size_t i = 0; i < num; i++) {
        TRY(json_element_object(&one, &data, i));
        TRY(take_status(run, &one, &run->keystores.items[first + i]));
    }
    return RESULT_OK;
}

static must_check result import_some(struct run *run, size_t first, size_t num)
{
    AUTO(buffer) answer = {0};
    AUTO_POINTER(json_t) body = json_pack("{s:[],s:[]}", "keystores", "passwords");
    for (size_t i = 0; i < num; i++)
        TRY(add_keystore(body, &run->keystores.items[first + i]));
    if (run->history.length > 0)
        ENSURE(json_object_set_new(body, "slashing_protection",
                                   json_string((const char *)run->history.data)) == 0,
               E_INPUT, "--slashing-protection-file: must be UTF-8, and fit into locked memory");
    char *text = json_dumps(body, JSON_COMPACT);
    ENSURE(text, E_MEMORY, "no locked memory for a request");
    result r = post(&answer, run, text);
    ctl_json_free(text);
    TRY(r);
    r = take_answer(run, &answer, first, num);
    return r.code ? error_prefix(r, "%s", run->options.url) : r;
}

static must_check result read_token(struct run *run, struct ctl_call *call)
{
    static const char name[] = "Authorization: Bearer ";
    const struct ctl_secret_source *source = &run->options.token;
    AUTO(secret) token = {0};
    if (source->fd == CTL_NO_FD && !source->file)
        return RESULT_OK;
    TRY(ctl_secret_get(&token, call, source, "token", false));
    TRY(secret_new(&run->header, sizeof name - 1 + token.length));
    memcpy(run->header.data, name, sizeof name - 1);
    memcpy(run->header.data + sizeof name - 1, token.data, token.length);
    return RESULT_OK;
}

/* A password is not to be read on the way. */
static bool is_safe(const char *url)
{
    static const char *const begins[] = {"https://",
                                         "http://localhost:", "http://127.0.0.1:", "http://[::1]:"};
    for (size_t i = 0; i < ARRAY_LENGTH(begins); i++) {
        if (strncmp(url, begins[i], strlen(begins[i])) == 0)
            return strlen(url) + 32 < URL_MAX && !strpbrk(url, "@?#");
    }
    return false;
}

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){.token = {.fd = CTL_NO_FD}};
    const struct option table[] = {
        {"url", OPTION_TEXT, &o->url, "the signer: https://HOST:PORT, or http:// on this machine", 0, 0},
        CTL_KEYSTORE_ROWS(o->keystores),
        {"slashing-protection-file", OPTION_FILE, &o->history,
         "EIP-3076 file of what the keys have signed (none)", 0, 0},
        {"ca-file", OPTION_FILE, &o->ca_file, "PEM file of the certificate to trust (the system's)", 0, 0},
        {"token-fd", OPTION_U32, &o->token.fd, "descriptor that the key manager's token is read from (none)",
         0, 1023},
        {"token-file", OPTION_FILE, &o->token.file, "file of the key manager's token (none)", 0, 0},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_require(call, o->url, "url"));
    call->is_usage_error = !is_safe(o->url);
    ENSURE(!call->is_usage_error, E_INPUT,
           "--url: must be https://HOST:PORT, or http://localhost:PORT: passwords go there");
    return ctl_keystore_options_check(&o->keystores, call);
}

result ctl_keys_import(struct ctl_call *call)
{
    AUTO(run) run = {.num_failed = 0};
    const struct options *o = &run.options;
    TRY(parse_options(&run.options, call));
    TRY(ctl_secrets_open());
    TRY(ctl_keystores_list(&run.keystores, &o->keystores));
    TRY(read_token(&run, call));
    if (o->history)
        TRY(file_read(&run.history, o->history, HISTORY_MAX));
    ENSURE(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, E_INTERNAL, "libcurl does not start");
    ctl_key_report_begin(&run.report, call, run.keystores.num_items);
    for (size_t done = 0; done < run.keystores.num_items; done += AT_ONCE) {
        size_t left = run.keystores.num_items - done;
        TRY(import_some(&run, done, left < AT_ONCE ? left : AT_ONCE));
    }
    TRY(ctl_key_report_end(&run.report));
    ENSURE(run.num_failed == 0, E_INPUT, "%zu keystores were not imported", run.num_failed);
    return RESULT_OK;
}
