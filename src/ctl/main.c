/* main.c - nitro-signer-ctl, the operator's tool: the table of verbs. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/process_limits.h"
#include "base/version.h"
#include "ctl.h"

static const struct {
    const char *first, *second; /* second NULL: a verb of one word */
    result (*run)(struct ctl_call *call);
    const char *help;
} verbs[] = {
    {"keys", "generate", ctl_keys_generate,
     "make a mnemonic and validator keys, encrypt them with KMS, write key items"},
    {"keys", "upload", ctl_keys_upload,
     "write keys into the validator-key table: new ones, keystores, or items made before"},
    {"keys", "list", ctl_keys_list, "print the keys of the validator-key table"},
    {"keys", "activate", ctl_keys_activate, "have signers take keys of the table"},
    {"keys", "deactivate", ctl_keys_deactivate, "have signers pass over keys of the table"},
    {"keys", "assign", ctl_keys_assign, "give keys of nobody to a stack"},
    {"tls", "make", ctl_tls_make,
     "make the signer's TLS key and certificate, encrypt them, write a TLS item"},
    {"tls", "set", ctl_tls_set, "have a stack's Lambda function make a new TLS key"},
    {"tls", "show", ctl_tls_show, "print the certificate that a stack's clients trust"},
    {"access", "make", ctl_access_make, "print the access document: who may connect to an enclave"},
    {"policy", "make", ctl_policy_make, "print the policy document for a network, a store and a KMS key"},
    {"policy", "measure", ctl_policy_measure, "print PCR16 of a policy document"},
    {"policy", "kms-key-policy", ctl_key_policy,
     "print the KMS key policy that admits one image and one policy"},
    {"policy", "show", ctl_policy_show, "print the key policy of a stack's KMS key and what it demands"},
    {"policy", "apply", ctl_policy_apply, "set it, for a key that the stack was given"},
    {"measure", NULL, ctl_measure, "print PCR0 of executables as devcloud measures them"},
    {"image", "build", ctl_image_build, "make an enclave image (EIF) and print its measurements"},
    {"image", "ramdisk", ctl_image_ramdisk, "make a ramdisk (cpio) of what a manifest lists"},
    {"image", "describe", ctl_image_describe, "verify an enclave image and print what nitro-cli says of it"},
    {"slashing", "init", ctl_slashing_init, "begin a DynamoDB table as a slashing protection store"},
    {"slashing", "status", ctl_slashing_status, "print what such a table says of itself"},
    {"service", "start", ctl_service_start, "start the signer on every instance of a stack"},
    {"service", "stop", ctl_service_stop, "stop it there"},
    {"service", "status", ctl_service_status, "print what systemd says of it there"},
    {"instances", "refresh", ctl_instances_refresh, "have a stack's instances replaced"},
    {"status", NULL, ctl_status, "ask the signer how it is: the control port, or a stack's Lambda function"},
    {"attest", "verify", ctl_attest_verify, "ask for an attestation document and verify it"},
    {"sign-test", NULL, ctl_sign_test, "have one message of every type signed and verify the signatures"},
};

static int print_help(void)
{
    (void)puts("usage: nitro-signer-ctl [--log-format=plain|json|...] VERB [options]; VERB --help lists the "
               "options of "
               "one\n");
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++) {
        const char *second = verbs[i].second ? verbs[i].second : "";
        (void)printf("  %-9s %-15s %s\n", strcmp(second, "") == 0 ? "" : verbs[i].first,
                     strcmp(second, "") == 0 ? verbs[i].first : second, verbs[i].help);
    }
    return 0;
}

/* Index of the verb that the arguments name, or the number of verbs; *ret_words says how many words it took.
 */
static size_t find(int argc, char *const argv[], int *ret_words)
{
    size_t i = 0;
    for (; i < ARRAY_LENGTH(verbs); i++) {
        *ret_words = verbs[i].second ? 2 : 1;
        if (argc > *ret_words && strcmp(argv[1], verbs[i].first) == 0 &&
            (!verbs[i].second || strcmp(argv[2], verbs[i].second) == 0))
            break;
    }
    return i;
}

/* What was printed is the result: a policy document that a full disk cut short must not look made. */
static must_check result finish_output(void)
{
    bool printed = fflush(stdout) == 0 && !ferror(stdout);
    ENSURE(printed, E_IO, "standard output: cannot be written");
    return RESULT_OK;
}

int main(int argc, char *argv[])
{
    static const char log_format[] = "--log-format=";
    log_open("nitro-signer-ctl", LOG_LEVEL_INFO);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return print_help();
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return puts("nitro-signer " NITRO_SIGNER_VERSION) < 0;
    if (argc > 1 && strncmp(argv[1], log_format, sizeof log_format - 1) == 0) {
        enum log_format format;
        if (log_format_parse(&format, argv[1] + sizeof log_format - 1).code) {
            log_error("--log-format: %s", error_text());
            return PROGRAM_EXIT_USAGE;
        }
        log_set_format(format);
        argc--;
        argv++;
    }
    int words = 0;
    size_t i = find(argc, argv, &words);
    if (i == ARRAY_LENGTH(verbs)) {
        log_error("there is no such verb (see --help)");
        return PROGRAM_EXIT_USAGE;
    }
    struct ctl_call call = {.argc = argc - words, .argv = argv + words};
    result r = process_harden();
    if (!r.code)
        r = verbs[i].run(&call);
    if (!r.code)
        r = finish_output();
    if (r.code)
        log_error("%s", error_text());
    return call.is_usage_error ? PROGRAM_EXIT_USAGE : r.code ? 1 : 0;
}
