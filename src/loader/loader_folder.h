/* loader_folder.h - the key manager's part of the key configuration folder: PUBKEY.json, PUBKEY.password and
 * PUBKEY.yaml, as Web3Signer names them. A key is there if its .yaml is: that file comes last and goes first,
 * in one rename each, so that a power cut leaves all of a key or nothing.
 */
#ifndef LOADER_FOLDER_H
#define LOADER_FOLDER_H

#include "base/buffer.h"
#include "base/secret.h"
#include "bls/bls.h"

/* An open folder; -1: none. */
must_check result loader_folder_open(int *ret_folder, const char *path);
/* Removes what a process that was killed has left: files that never became valid, the rest of keys whose
 * removal had begun. */
must_check result loader_folder_sweep(int folder);

/* Writes and fsyncs the three files, mode 0600, under hidden names. E_IO says which cannot be. */
must_check result loader_folder_prepare(int folder, const uint8_t pubkey[static BLS_PUBKEY_LEN],
                                        const struct buffer *json, const struct secret *password);
/* Gives them their names, durably. */
must_check result loader_folder_commit(int folder, const uint8_t pubkey[static BLS_PUBKEY_LEN]);

/* Removes a key that was imported: durable. E_NOT_FOUND when there is no PUBKEY.yaml; E_MISMATCH when it is
 * not one of the key manager's: then nothing is removed. */
must_check result loader_folder_remove(int folder, const char *path,
                                       const uint8_t pubkey[static BLS_PUBKEY_LEN]);

#endif
