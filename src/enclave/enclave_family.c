/* enclave_family.c - keeper, front, courier and loader under nitro-signer-enclave.
 *
 * When memory ends, who can be spared dies first: any death ends the enclave, but the front's leaves no
 * signature half done. The descriptors are what each can need: the front's are its connections. */
#include "enclave_family.h"

enum { FEW_DESCRIPTORS = 64, COURIER_DESCRIPTORS = 512, FRONT_DESCRIPTORS = 65536 };

static must_check result begin(struct process_command *command, const char *program,
                               const struct enclave_options *o)
{
    TRY(process_command_add(command, "%s", program));
    TRY(process_command_add(command, "--log-level=%s", o->log_options.level));
    return process_command_add(command, "--log-format=%s", o->log_options.format);
}

static must_check result courier_command(struct process_command *command, const struct enclave_options *o)
{
    TRY(begin(command, "nitro-signer-courier", o));
    TRY(process_command_add(command, "--kms-via=%s", o->kms_via));
    TRY(process_command_add(command, "--dynamodb-via=%s", o->dynamodb_via));
    if (o->kms_endpoint)
        TRY(process_command_add(command, "--kms-endpoint=%s", o->kms_endpoint));
    if (o->dynamodb_endpoint)
        TRY(process_command_add(command, "--dynamodb-endpoint=%s", o->dynamodb_endpoint));
    return o->ca_file ? process_command_add(command, "--ca-file=%s", o->ca_file) : RESULT_OK;
}

static void confine(struct process_family *family)
{
    family->keeper.confinement = (struct process_confinement){ENCLAVE_KEEPER_USER, FEW_DESCRIPTORS, 0};
    family->courier.confinement =
        (struct process_confinement){ENCLAVE_COURIER_USER, COURIER_DESCRIPTORS, 300};
    family->loader.confinement = (struct process_confinement){ENCLAVE_LOADER_USER, FEW_DESCRIPTORS, 500};
    family->front.confinement = (struct process_confinement){ENCLAVE_FRONT_USER, FRONT_DESCRIPTORS, 800};
}

result enclave_family_make(struct process_family *family, const struct enclave_options *o)
{
    TRY(begin(&family->keeper, "nitro-signer-keeper", o));
    TRY(process_command_add(&family->keeper, "--mode=enclave"));
    TRY(process_command_add(&family->keeper, "--nsm=%s", o->nsm));
    if (o->signing_threads)
        TRY(process_command_add(&family->keeper, "--signing-threads=%u", o->signing_threads));
    TRY(begin(&family->front, "nitro-signer-front", o));
    TRY(process_command_add(&family->front, "--mode=enclave"));
    if (o->metrics)
        TRY(process_command_add(&family->front, "--metrics"));
    TRY(courier_command(&family->courier, o));
    TRY(begin(&family->loader, "nitro-signer-loader", o));
    TRY(process_command_add(&family->loader, "--mode=records"));
    if (o->drop_privileges)
        confine(family);
    return RESULT_OK;
}
