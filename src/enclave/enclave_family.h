/* enclave_family.h - the commands of the children, and what each is left with. */
#ifndef ENCLAVE_ENCLAVE_FAMILY_H
#define ENCLAVE_ENCLAVE_FAMILY_H

#include "enclave_options.h"
#include "process/process_supervisor.h"

/* Fixed numbers, so that no user database has to be measured. */
enum { ENCLAVE_KEEPER_USER = 1001, ENCLAVE_FRONT_USER, ENCLAVE_COURIER_USER, ENCLAVE_LOADER_USER };

/* Fills in the commands; the descriptors are the caller's. */
must_check result enclave_family_make(struct process_family *ret_family,
                                      const struct enclave_options *options);

#endif
