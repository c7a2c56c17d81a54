/* loader_proxies.h - proxy keys of Commit-Boost, from their files to the keeper. */
#ifndef LOADER_PROXIES_H
#define LOADER_PROXIES_H

#include "ipc/ipc.h"
#include "ipc/ipc_proxy.h"
#include "loader_modes.h"
#include "loader_pool.h"

/* The whole of the password file, as Web3Signer takes it. */
must_check result loader_proxies_password(struct secret *ret_password,
                                          const struct loader_settings *settings);

/* Opens every file and sends its key. One that cannot be opened is logged, and the rest goes on. */
must_check result loader_proxies_load(int socket, const struct loader_settings *settings);

must_check result loader_proxies_send(int socket, const struct ipc_proxy_key *key);

/* A pool's job of the kind LOADER_JOB_PROXY. */
must_check result loader_proxies_open(struct keystore *ret_key, const struct loader_proxy_file *file,
                                      const struct secret *password);

#endif
