/* keeper_starts.h - a keeper in an enclave that meets a store across a network, with the test as the courier
 * and the loader. */
#ifndef KEEPER_STARTS_H
#define KEEPER_STARTS_H

#include "keeper_cloud.h"
#include "keeper_courier.h"

/* For cmocka: an enclave, the NSM's stand-in and a sealed store; one signer alone, or one of a fleet. */
int starts_setup_single(void **state);
int starts_setup_fleet(void **state);
int starts_teardown(void **state);
/* Up to ATTEST, the store opened. */
void starts_begin(struct rig *rig);
/* LOAD_BEGIN to the end of the loader, with those keys; then what the store is asked. */
void starts_load(struct rig *rig, uint32_t first, uint32_t count, bool add, bool with_key);
/* What the front receives of a first load, and its end. */
void starts_serve(struct rig *rig, uint32_t count);
/* From the start to SERVE. */
void starts_boot(struct rig *rig, uint32_t count);
/* The load has failed, and says that part. */
void starts_expect_refusal(struct rig *rig, const char *part);
/* The start of three keys. */
void starts_refuse(struct rig *rig, const char *part);
/* All entries, of that generation. */
void starts_assert_sealed(uint32_t count, uint64_t generation);
/* Five validators, which have voted. */
void starts_fill(void);

#endif
