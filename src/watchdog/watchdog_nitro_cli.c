/* watchdog_nitro_cli.c - see watchdog_nitro_cli.h.
 *
 * Members are looked for by name and others are passed over: nitro-cli adds some with every version.
 * Rejected: the ioctls of /dev/nitro_enclaves; loading an image, CPU pools and their bookkeeping are
 * nitro-cli's, and its describe-enclaves would not know of an enclave that was started without it. */
#include "watchdog_nitro_cli.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "json/json.h"

enum { OUTPUT_MAX = 1 << 20, OUTPUT_VALUES_MAX = 20000 };

static void add(struct watchdog_cli_command *c, const char *word)
{
    if (c->num_words < WATCHDOG_CLI_WORDS_MAX)
        c->words[c->num_words++] = (char *)(uintptr_t)word; /* exec takes it as its argument, unchanged */
    c->words[c->num_words] = NULL;
}

static void add_number(struct watchdog_cli_command *c, const char *option, size_t slot, uint32_t number)
{
    (void)snprintf(c->numbers[slot], sizeof c->numbers[slot], "%u", number);
    add(c, option);
    add(c, c->numbers[slot]);
}

void watchdog_cli_describe(struct watchdog_cli_command *out, const struct watchdog_cli_enclave *enclave)
{
    out->num_words = 0;
    add(out, enclave->program);
    add(out, "describe-enclaves");
}

void watchdog_cli_run(struct watchdog_cli_command *out, const struct watchdog_cli_enclave *enclave)
{
    out->num_words = 0;
    add(out, enclave->program);
    add(out, "run-enclave");
    add(out, "--eif-path");
    add(out, enclave->eif);
    add_number(out, "--cpu-count", 0, enclave->cpu_count);
    add_number(out, "--memory", 1, enclave->memory_mib);
    add_number(out, "--enclave-cid", 2, enclave->cid);
    add(out, "--enclave-name");
    add(out, enclave->name);
    if (enclave->debug_mode)
        add(out, "--debug-mode");
}

void watchdog_cli_terminate(struct watchdog_cli_command *out, const struct watchdog_cli_enclave *enclave,
                            const char *id)
{
    out->num_words = 0;
    add(out, enclave->program);
    add(out, "terminate-enclave");
    add(out, "--enclave-id");
    add(out, id);
}

static must_check result copy_text(char *out, size_t out_capacity, const struct json_view *object,
                                   const char *name)
{
    const char *text;
    size_t length;
    TRY(json_get_text(&text, &length, object, name));
    ENSURE(length > 0 && length < out_capacity, E_INPUT, "%s: must have from 1 to %zu characters", name,
           out_capacity - 1);
    /* It comes back as an argument. */
    ENSURE(text[0] != '-', E_INPUT, "%s: must not begin with a dash", name);
    for (size_t i = 0; i < length; i++)
        ENSURE(text[i] > ' ' && text[i] < 0x7f, E_INPUT, "%s: must be printable ASCII", name);
    memcpy(out, text, length + 1);
    return RESULT_OK;
}

static must_check result take_pcr0(struct watchdog_cli_described *out, const struct json_view *object)
{
    struct json_view measurements;
    const char *text;
    size_t length;
    if (!json_has(object, "Measurements"))
        return RESULT_OK;
    TRY(json_get_object(&measurements, object, "Measurements"));
    if (!json_has(&measurements, "PCR0"))
        return RESULT_OK;
    TRY(json_get_text(&text, &length, &measurements, "PCR0"));
    ENSURE(length == WATCHDOG_CLI_PCR0_LEN && strspn(text, "0123456789abcdefABCDEF") == length, E_INPUT,
           "PCR0: must have %d hexadecimal digits", WATCHDOG_CLI_PCR0_LEN);
    for (size_t i = 0; i < length; i++)
        out->pcr0[i] = (char)tolower((unsigned char)text[i]);
    out->pcr0[length] = 0;
    return RESULT_OK;
}

static must_check result take_described(struct watchdog_cli_described *ret_described,
                                        const struct json_view *object)
{
    struct watchdog_cli_described d = {.running = true};
    const char *state, *flags;
    uint64_t cid;
    TRY(copy_text(d.id, sizeof d.id, object, "EnclaveID"));
    /* Versions before 1.2 have no names. */
    if (json_has(object, "EnclaveName"))
        TRY(copy_text(d.name, sizeof d.name, object, "EnclaveName"));
    TRY(json_get_u64_between(&cid, object, "EnclaveCID", 0, UINT32_MAX));
    d.cid = (uint32_t)cid;
    TRY(json_get_text_optional(&state, NULL, object, "State"));
    TRY(json_get_text_optional(&flags, NULL, object, "Flags"));
    d.running = !state || strcmp(state, "RUNNING") == 0;
    d.debug_mode = flags && strstr(flags, "DEBUG_MODE");
    TRY(take_pcr0(&d, object));
    *ret_described = d;
    return RESULT_OK;
}

static must_check result peer(result failed, const char *operation)
{
    if (!failed.code || failed.code == E_MEMORY)
        return failed;
    return error_prefix((result){E_PEER}, "nitro-cli %s: answer", operation);
}

static must_check result read_run(struct watchdog_cli_described *ret_described, const struct buffer *output)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    TRY(json_read(&document, (const char *)output->data, output->length, OUTPUT_MAX, OUTPUT_VALUES_MAX));
    TRY(json_view_root(&root, document));
    return take_described(ret_described, &root);
}

result watchdog_cli_read_run(struct watchdog_cli_described *ret_described, const struct buffer *output)
{
    return peer(read_run(ret_described, output), "run-enclave");
}

/* jansson's root as an array, which json_view_root does not take. */
static must_check result view_list(struct json_view *ret_list, const json_t *document)
{
    ENSURE(json_is_array(document) && json_array_size(document) <= WATCHDOG_CLI_ENCLAVES_MAX, E_INPUT,
           "must be a list of at most %d enclaves", WATCHDOG_CLI_ENCLAVES_MAX);
    *ret_list = (struct json_view){.value = document};
    return RESULT_OK;
}

static must_check result read_describe(struct watchdog_cli_described *ret_described, bool *ret_found,
                                       const struct buffer *output, const char *name, const char *id)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view list, object;
    struct watchdog_cli_described one;
    bool found = false;
    TRY(json_read(&document, (const char *)output->data, output->length, OUTPUT_MAX, OUTPUT_VALUES_MAX));
    TRY(view_list(&list, document));
    for (size_t i = 0; i < json_array_size(document); i++) {
        TRY(json_element_object(&object, &list, i));
        TRY(take_described(&one, &object));
        if (id ? strcmp(one.id, id) != 0 : strcmp(one.name, name) != 0)
            continue;
        /* One that is ending has no news for us if there is another. */
        if (!found || one.running)
            *ret_described = one;
        found = true;
    }
    *ret_found = found;
    return RESULT_OK;
}

result watchdog_cli_read_describe(struct watchdog_cli_described *ret_described, bool *ret_found,
                                  const struct buffer *output, const char *name, const char *id)
{
    return peer(read_describe(ret_described, ret_found, output, name, id), "describe-enclaves");
}

static must_check result read_terminate(bool *ret_terminated, const struct buffer *output, const char *id)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view list, object;
    const char *told;
    bool one, terminated = false;
    TRY(json_read(&document, (const char *)output->data, output->length, OUTPUT_MAX, OUTPUT_VALUES_MAX));
    bool wrapped = json_is_array(document);
    if (wrapped)
        TRY(view_list(&list, document));
    for (size_t i = 0; i < (wrapped ? json_array_size(document) : 1); i++) {
        if (wrapped)
            TRY(json_element_object(&object, &list, i));
        else
            TRY(json_view_root(&object, document));
        TRY(json_get_text(&told, NULL, &object, "EnclaveID"));
        TRY(json_get_bool(&one, &object, "Terminated"));
        terminated = terminated || (one && strcmp(told, id) == 0);
    }
    *ret_terminated = terminated;
    return RESULT_OK;
}

result watchdog_cli_read_terminate(bool *ret_terminated, const struct buffer *output, const char *id)
{
    return peer(read_terminate(ret_terminated, output, id), "terminate-enclave");
}

#define CALL "this program and nitro-cli do not understand each other: is its version 1.2 or later?"
#define MEMORY                                                                                               \
    "raise memory_mib in /etc/nitro_enclaves/allocator.yaml and restart nitro-enclaves-allocator.service"
#define CPUS                                                                                                 \
    "raise cpu_count in /etc/nitro_enclaves/allocator.yaml and restart nitro-enclaves-allocator.service, "   \
    "or "                                                                                                    \
    "lower --cpu-count"

static const struct {
    const char *code, *sentence;
    enum watchdog_cli_cure cure;
} codes[] = {
    {"E01", "an argument is missing: " CALL, WATCHDOG_CLI_OPERATOR},
    {"E02", "arguments contradict each other: " CALL, WATCHDOG_CLI_OPERATOR},
    {"E03", "an argument is invalid: see --cpu-count, --memory, --enclave-cid", WATCHDOG_CLI_OPERATOR},
    {"E14", "an unknown command: " CALL, WATCHDOG_CLI_OPERATOR},
    {"E07", "/run/nitro_enclaves cannot be read: is this user in the group ne?", WATCHDOG_CLI_RETRY},
    {"E18", "file permissions: is this user in the group ne?", WATCHDOG_CLI_OPERATOR},
    {"E19", "a file cannot be opened: see --eif and /dev/nitro_enclaves", WATCHDOG_CLI_OPERATOR},
    {"E20", "the CPUs asked for are invalid", WATCHDOG_CLI_OPERATOR},
    {"E21", "a CPU is not in the pool: " CPUS, WATCHDOG_CLI_OPERATOR},
    {"E22", "too few CPUs are free (another enclave may still hold them): " CPUS, WATCHDOG_CLI_RETRY},
    {"E24", "CPUs: an x86 enclave takes whole cores, so --cpu-count must be even", WATCHDOG_CLI_OPERATOR},
    {"E26", "--memory is below four times the size of the image file: raise it", WATCHDOG_CLI_OPERATOR},
    {"E27", "too little memory is free (another enclave may still hold it): " MEMORY, WATCHDOG_CLI_RETRY},
    {"E28", "the kernel made no enclave: is the instance launched with EnclaveOptions.Enabled?",
     WATCHDOG_CLI_RETRY},
    {"E29", "a request to the kernel failed; it does so shortly after another enclave has ended",
     WATCHDOG_CLI_RETRY},
    {"E30", "the kernel did not say where the image goes", WATCHDOG_CLI_RETRY},
    {"E31",
     "the kernel did not take the memory: it may be in too many pieces (restart the allocator, or the "
     "instance)",
     WATCHDOG_CLI_RETRY},
    {"E32", "the kernel did not take the CPUs", WATCHDOG_CLI_RETRY},
    {"E33", "the kernel did not start the enclave", WATCHDOG_CLI_RETRY},
    {"E34", "the image does not fit into the memory: raise --memory", WATCHDOG_CLI_OPERATOR},
    {"E35", "the image cannot be read or there are no huge pages for it: is --eif an enclave image?",
     WATCHDOG_CLI_OPERATOR},
    {"E36",
     "the enclave did not boot: it is damaged or of another architecture, ended at once (the console "
     "says why, in debug mode), or another one was being started at the same time",
     WATCHDOG_CLI_RETRY},
    {"E38", "an enclave's process gave no answer", WATCHDOG_CLI_RETRY},
    {"E39",
     "no connection to an enclave's process: it has ended, or another one was being started at the "
     "same time",
     WATCHDOG_CLI_RETRY},
    {"E42", "no memory could be mapped: " MEMORY, WATCHDOG_CLI_RETRY},
    {"E58", "no enclave has this name, or the name is invalid: see --enclave-name", WATCHDOG_CLI_RETRY},
    {"E59", "the image's signature is invalid: was its certificate valid when it was signed?",
     WATCHDOG_CLI_OPERATOR},
};

/* "[ E22 ]", blanks or none. */
static bool find_code(char ret_code[static 4], const char *text)
{
    for (const char *at = strchr(text, '['); at; at = strchr(at + 1, '[')) {
        const char *code = at + 1 + strspn(at + 1, " ");
        if (code[0] != 'E' || !isdigit((unsigned char)code[1]) || !isdigit((unsigned char)code[2]))
            continue;
        if (code[3 + strspn(code + 3, " ")] != ']')
            continue;
        memcpy(ret_code, code, 3);
        ret_code[3] = 0;
        return true;
    }
    return false;
}

void watchdog_cli_failure(struct watchdog_cli_failure *out, const struct buffer *errors)
{
    *out = (struct watchdog_cli_failure){.sentence = "see /var/log/nitro_enclaves/nitro_enclaves.log",
                                         .cure = WATCHDOG_CLI_RETRY};
    if (!errors->data || !find_code(out->code, (const char *)errors->data))
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        if (strcmp(out->code, codes[i].code) == 0) {
            out->sentence = codes[i].sentence;
            out->cure = codes[i].cure;
        }
    }
}
