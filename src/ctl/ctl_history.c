/* ctl_history.c - slashing import and slashing export, and slashing show of files: what a stand-alone
 * signer's store has signed, as EIP-3076 has it.
 *
 * nitro-signer-interchange does the work in its sandbox, as for nitro-signer eth2 import and export: this
 * tool has no code for SQLite. What came of it is read from the file. */
#include "ctl_history.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/log.h"
#include "ctl_report.h"
#include "process/process.h"

enum { FILE_MAX_GIB = 4 };

result ctl_history_read(struct slashing_history *ret_history, const char *path)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO_POINTER(json_stream) in = NULL;
    ENSURE(fd >= 0, E_IO, "%s: %s", path, strerror(errno));
    TRY(json_stream_open(&in, fd, (uint64_t)FILE_MAX_GIB << 30));
    result r = slashing_history_read(ret_history, in);
    return r.code ? error_prefix(r, "%s", path) : r;
}

/* Decimals as texts, as EIP-3076 has them; none where there was nothing. */
static json_t *text_of(bool is_there, uint64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, number);
    return is_there ? json_string(text) : json_null();
}

static must_check result add_json(json_t *validators, const struct slashing_enrolment *v)
{
    char pubkey[2 * sizeof v->pubkey + 3];
    const struct slashing_record *record = &v->entry.record;
    hex_encode_0x(pubkey, v->pubkey, sizeof v->pubkey);
    json_t *one = json_pack("{s:s,s:o,s:o,s:o}", "pubkey", pubkey, "source_epoch",
                            text_of(record->has_attestation, record->source_epoch), "target_epoch",
                            text_of(record->has_attestation, record->target_epoch), "slot",
                            text_of(record->has_block, record->block_slot));
    ENSURE(json_array_append_new(validators, one) == 0, E_MEMORY, "no memory for the output");
    return RESULT_OK;
}

static void print_validator(const struct slashing_enrolment *v)
{
    char pubkey[2 * sizeof v->pubkey + 3];
    const struct slashing_record *record = &v->entry.record;
    hex_encode_0x(pubkey, v->pubkey, sizeof v->pubkey);
    (void)fputs(pubkey, stdout);
    if (record->has_attestation)
        (void)printf("  source %" PRIu64 " target %" PRIu64, record->source_epoch, record->target_epoch);
    else
        (void)fputs("  no attestation", stdout);
    if (record->has_block)
        (void)printf("  slot %" PRIu64 "\n", record->block_slot);
    else
        (void)puts("  no block");
}

result ctl_history_print(const struct ctl_call *call, const struct slashing_history *h)
{
    char root[2 * sizeof h->genesis_validators_root + 3];
    hex_encode_0x(root, h->genesis_validators_root, sizeof h->genesis_validators_root);
    AUTO_POINTER(json_t) object = json_pack("{s:s,s:[]}", "genesis_validators_root", root, "validators");
    for (size_t i = 0; i < h->num_validators; i++) {
        if (call->json)
            TRY(add_json(json_object_get(object, "validators"), &h->validators[i]));
        else
            print_validator(&h->validators[i]);
    }
    if (call->json)
        return ctl_print_json(object);
    (void)printf("%zu validators of genesis_validators_root %s\n", h->num_validators, root);
    return RESULT_OK;
}

/* Its own sentence is on standard error. */
static must_check result run_interchange(const char *verb, const char *store, const char *option,
                                         const char *file)
{
    static const char program[] = "nitro-signer-interchange";
    char path[PROCESS_PATH_MAX], words[4][PROCESS_PATH_MAX + 32];
    int status;
    pid_t pid;
    TRY(process_sibling_path(path, program));
    (void)snprintf(words[0], sizeof words[0], "%s", program);
    (void)snprintf(words[1], sizeof words[1], "%s", verb);
    int store_len = snprintf(words[2], sizeof words[2], "--store=%s", store);
    int file_len = snprintf(words[3], sizeof words[3], "--%s=%s", option, file);
    ENSURE((size_t)store_len < sizeof words[2] && (size_t)file_len < sizeof words[3], E_INPUT,
           "--store: too long");
    char level[] = "--log-level=warn", format[64];
    (void)snprintf(format, sizeof format, "--log-format=%s", log_format_name(log_format_in_force()));
    char *const argv[] = {words[0], words[1], words[2], words[3], level, format, NULL};
    TRY(process_start(&pid, path, argv, NULL, 0));
    pid_t ended = -1;
    do
        ended = waitpid(pid, &status, 0);
    while (ended < 0 && errno == EINTR);
    ENSURE(ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, E_PEER, "%s: the %s failed", store,
           verb);
    return RESULT_OK;
}

static must_check result parse_options(struct ctl_call *call, const char **ret_store, const char **ret_file,
                                       const char *option, const char *help)
{
    const struct option table[] = {
        {"store", OPTION_FILE, ret_store, "SQLite file of the stand-alone signer, which must not run", 0, 0},
        {option, OPTION_FILE, ret_file, help, 0, 0},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_require(call, *ret_store, "store"));
    return ctl_require(call, *ret_file, option);
}

static must_check result report(const struct ctl_call *call, const char *file, const char *what)
{
    AUTO(slashing_history) h = {.num_validators = 0};
    TRY(ctl_history_read(&h, file));
    if (!call->json) {
        (void)printf("%s the history of %zu validators\n", what, h.num_validators);
        return RESULT_OK;
    }
    AUTO_POINTER(json_t)
    object = json_pack("{s:s,s:I}", "file", file, "validators", (json_int_t)h.num_validators);
    return ctl_print_json(object);
}

result ctl_slashing_import(struct ctl_call *call)
{
    const char *store = NULL, *from = NULL;
    TRY(parse_options(call, &store, &from, "from", "EIP-3076 file whose history is added"));
    TRY(run_interchange("import", store, "from", from));
    return report(call, from, "imported");
}

result ctl_slashing_export(struct ctl_call *call)
{
    const char *store = NULL, *to = NULL;
    TRY(parse_options(call, &store, &to, "to", "EIP-3076 file to write, mode 0600"));
    TRY(run_interchange("export", store, "to", to));
    return report(call, to, "exported");
}
