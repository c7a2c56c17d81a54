/* ctl.h - what the verbs of nitro-signer-ctl share. One file a verb; main.c has the table. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "base/buffer.h"
#include "base/options.h"
#include "base/secret.h"
#include "eth2/eth2_network.h"
#include "net/net_address.h"

/* A descriptor option that was not given. */
#define CTL_NO_FD UINT32_MAX

struct ctl_verb;

/* One call of a verb: its arguments, argv[0] being the verb itself. */
struct ctl_call {
    int argc;
    char *const *argv;
    const struct ctl_verb *verb;
    /* For who asks what a verb takes instead of doing it: given its options by ctl_parse, which then fails.
     */
    void (*describe)(void *context, const struct option *table, size_t num_options);
    void *context;
    char **operands;     /* of ctl_parse, for main to free */
    bool json;           /* out: --output=json */
    bool was_described;  /* out: describe was called, or help printed; nothing else was done */
    bool is_usage_error; /* out: the command line was wrong, and nothing was done */
    int exit_status;     /* out: instead of 1 when the verb fails; ctl_verbs.h */
};

/* Parses the options of a verb, and those that all have (--output, --color); as many words must be there
 * as the verb takes, before or behind options (*ret_operands: an array that NULL ends). E_INPUT, marked as a
 * usage error. A verb calls it before anything else: help, manual pages and completion of words are made of
 * what it is given. */
must_check result ctl_parse(struct ctl_call *call, const struct option *table, size_t num_options,
                            char *const **ret_operands);
/* For rules between options: a usage error that says that --name is required, unless value is set. */
must_check result ctl_require(struct ctl_call *call, const void *value, const char *name);

/* Opens the secure heap and gives it to jansson. Every verb that touches a secret calls it first. */
must_check result ctl_secrets_open(void);

/* An address given as --name; a usage error otherwise. */
must_check result ctl_address(struct net_address *ret_address, struct ctl_call *call, const char *text,
                              const char *name);
/* REGION of arn:aws:kms:REGION:ACCOUNT:key/ID, given as --name. */
must_check result ctl_region_of_key(char *out, size_t out_capacity, const char *arn, const char *name);

must_check result ctl_random(struct secret *ret_bytes, size_t length);
/* 32 characters of base64. */
must_check result ctl_make_password(struct secret *ret_password);

/* Writes a line "name text" to a descriptor that the caller was given for secrets. */
must_check result ctl_reveal(int fd, const char *name, const char *text);

/* Creates DIR/name if it is not there. */
must_check result ctl_make_folder(const char *directory, const char *name);

/* 2026-01-31T12:00:00Z */
void ctl_now(char out[static 21]);

must_check result ctl_help(struct ctl_call *call);
must_check result ctl_keys_generate(struct ctl_call *call);
must_check result ctl_keys_derive(struct ctl_call *call);
must_check result ctl_keys_encrypt(struct ctl_call *call);
must_check result ctl_keys_export_deposits(struct ctl_call *call);
must_check result ctl_keys_check_deposits(struct ctl_call *call);
must_check result ctl_keys_remove(struct ctl_call *call);
must_check result ctl_tls_upload(struct ctl_call *call);
must_check result ctl_slashing_import(struct ctl_call *call);
must_check result ctl_slashing_export(struct ctl_call *call);
must_check result ctl_keys_import(struct ctl_call *call);
must_check result ctl_keys_upload(struct ctl_call *call);
must_check result ctl_keys_list(struct ctl_call *call);
must_check result ctl_keys_activate(struct ctl_call *call);
must_check result ctl_keys_deactivate(struct ctl_call *call);
must_check result ctl_keys_assign(struct ctl_call *call);
must_check result ctl_tls_make(struct ctl_call *call);
must_check result ctl_access_make(struct ctl_call *call);
must_check result ctl_policy_make(struct ctl_call *call);
must_check result ctl_policy_measure(struct ctl_call *call);
must_check result ctl_key_policy(struct ctl_call *call);
must_check result ctl_measure(struct ctl_call *call);
must_check result ctl_image_build(struct ctl_call *call);
must_check result ctl_image_describe(struct ctl_call *call);
must_check result ctl_image_ramdisk(struct ctl_call *call);
must_check result ctl_status(struct ctl_call *call);
must_check result ctl_attest_verify(struct ctl_call *call);
must_check result ctl_sign_test(struct ctl_call *call);
must_check result ctl_slashing_init(struct ctl_call *call);
must_check result ctl_slashing_show(struct ctl_call *call);
must_check result ctl_service_start(struct ctl_call *call);
must_check result ctl_service_stop(struct ctl_call *call);
must_check result ctl_service_status(struct ctl_call *call);
must_check result ctl_instances_refresh(struct ctl_call *call);
must_check result ctl_policy_show(struct ctl_call *call);
must_check result ctl_policy_apply(struct ctl_call *call);
must_check result ctl_tls_set(struct ctl_call *call);
must_check result ctl_tls_show(struct ctl_call *call);

#endif
