/* watchdog_options.h - the command line. */
#ifndef WATCHDOG_WATCHDOG_OPTIONS_H
#define WATCHDOG_WATCHDOG_OPTIONS_H

#include "base/log.h"
#include "base/options.h"
#include "net/net_address.h"
#include "watchdog_nitro.h"

/* Texts point into argv; NULL where an option is absent and has no default. */
struct watchdog_options {
    const char *control, *policy, *access;
    /* What --control and --enclave-metrics are when they are absent. */
    char control_text[64], enclave_metrics_text[64];
    struct net_address control_address;
    const char *enclave;
    const char *items; /* a folder; or else: */
    const char *validator_table, *tls_table, *stack_uuid;
    const char *region, *dynamodb_endpoint, *ca_file;
    const char *credentials; /* a file; NULL: the instance's role */
    const char *metrics;     /* NULL: not served */
    const char *status_page; /* the same */
    struct net_address status_page_address;
    const char *enclave_metrics; /* NULL: the status page does without figures */
    struct net_address enclave_metrics_address;
    uint32_t sample_interval; /* seconds */
    const char *imds_endpoint;
    uint32_t imds_interval; /* seconds between two looks for credentials when those at hand expire soon */
    struct log_options log;
    uint32_t status_interval; /* seconds */
    uint32_t stable_after;    /* seconds */
    bool nitro_cli;           /* the enclave is started by nitro-cli; else by command */
    struct watchdog_nitro_config nitro;
    char *const *command;
};

/* E_INPUT names the option. */
/* options must stay where they are. */
must_check result watchdog_options_parse(struct watchdog_options *ret_options, int argc, char *const argv[]);

#endif
