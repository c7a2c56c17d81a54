/* keeper_cloud.h - a keeper in enclave mode, with nitro-signer-devcloud as its NSM. */
#ifndef KEEPER_CLOUD_H
#define KEEPER_CLOUD_H

#include "keeper_rig.h"
#include "nitro/nitro_attestation.h"

/* For cmocka: as rig_setup, and the NSM's stand-in runs; measured is the keeper's own executable. */
int cloud_setup(void **state);
int cloud_teardown(void **state);
/* Ends the stand-in. */
void cloud_stop(void);

/* Starts the keeper; state WAIT. */
void cloud_start(struct rig *rig);
/* Sends the rig's policy and returns the keeper's answer, which points into rig->packet. */
struct ipc_policy_result cloud_policy(struct rig *rig);
/* The same of an access document. */
struct ipc_policy_result cloud_access(struct rig *rig, const char *text, size_t text_len);
/* Starts and has the policy accepted; state ATTEST. */
void cloud_boot(struct rig *rig);
struct ipc_status cloud_status(struct rig *rig);
/* Asks for a document and verifies it against the stand-in's root. */
void cloud_attest(struct rig *rig, struct attestation *ret_attestation, enum ipc_attest_purpose purpose,
                  const char *nonce);

void cloud_send_empty(int socket, enum ipc_type type);
/* LOAD_BEGIN; the loader's socket is taken and RECIPIENT_KEY received from it (in rig->packet). */
void cloud_load_begin(struct rig *rig, bool add);
/* A document of this cloud's NSM, verified now. */
void cloud_verify(struct attestation *ret_attestation, struct ipc_bytes document);
/* num_records records from the courier, each of them seen by the loader, and the end of them. */
void cloud_records(struct rig *rig, uint32_t num_records);
void cloud_load_tls(struct rig *rig);
struct ipc_load_result cloud_load_result(struct rig *rig);
/* From ATTEST to SERVE with keys first..first + count - 1. */
void cloud_first_load(struct rig *rig, uint32_t first, uint32_t count);
/* What the front receives of a reload. */
void cloud_expect_reload(struct rig *rig, uint32_t count);

#define CLOUD_CERTIFICATES "certificates in DER"
#define CLOUD_SPKI_DIGEST "SHA-256 of SubjectPublicKeyInfo."

#endif
