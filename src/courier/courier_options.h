/* courier_options.h - the command line of nitro-signer-courier. */
#ifndef COURIER_COURIER_OPTIONS_H
#define COURIER_COURIER_OPTIONS_H

#include "base/log.h"
#include "net/net_address.h"

struct courier_options {
    bool standalone; /* no control port and no KMS; the supervisor on descriptor 4 */
    struct net_address kms_via;
    const char *kms_endpoint, *dynamodb_endpoint, *ca_file; /* NULL: not given */
    bool has_dynamodb_via;
    struct net_address dynamodb_via;
    enum log_level log_level;
};

/* E_INPUT names the option. --help and --version end the process with 0. */
must_check result courier_options_parse(struct courier_options *ret_options, int argc, char *const argv[]);

#endif
