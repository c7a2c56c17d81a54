/* keeper_manager.h - a front that imports and deletes keys, and the loader that does it: rigs with
 * --key-manager. Items of a request are keys that follow each other. */
#ifndef KEEPER_MANAGER_H
#define KEEPER_MANAGER_H

#include "keeper_rig.h"
#include "slashing/slashing_codec.h"

/* MANAGE about keys first..first + num - 1, all with that history; genesis may be NULL. */
void manager_ask(struct rig *rig, enum ipc_manage_action action, uint32_t first, uint32_t num,
                 const struct slashing_record *history, const uint8_t *genesis);
/* State LOAD, and the loader's socket. */
void manager_take_loader(struct rig *rig, uint32_t served);
/* One more of the keystores that were announced, which the loader may or may not get. */
void manager_send_keystore(struct rig *rig, uint32_t index, uint32_t key);
/* MANAGE and all keystores, up to the loader that has them. With a history, the genesis root of 0x21. */
void manager_begin_import(struct rig *rig, uint32_t served, uint32_t first, uint32_t num,
                          const struct slashing_record *history);
/* The loader has decrypted one. */
void manager_send_key(struct rig *rig, uint32_t index, uint32_t key);
/* It has not. */
void manager_send_failure(struct rig *rig, uint32_t index);
/* MANAGE, up to the loader that has the list. */
void manager_begin_deletion(struct rig *rig, uint32_t served, uint32_t first, uint32_t num);
void manager_expect_files(struct rig *rig, enum ipc_manage_action action, uint32_t num);
void manager_send_file_done(struct rig *rig, uint32_t index, enum error_code error);
/* The new list, to the front. */
void manager_expect_keys(struct rig *rig, uint32_t count);
/* One answer; the text must contain that part, if it is not NULL. Returns the record in it. */
struct slashing_record manager_expect(struct rig *rig, uint32_t index, enum ipc_managed_status status,
                                      const char *part);

#endif
