/* loader_proxy_folder.h - proxy keys as files, where Web3Signer has them: PATH/DELEGATOR/BLS/PROXY.json and
 * PATH/DELEGATOR/SECP256K1/PROXY.json.
 */
#ifndef LOADER_PROXY_FOLDER_H
#define LOADER_PROXY_FOLDER_H

#include "base/buffer.h"
#include "ipc/ipc.h"
#include "ipc/ipc_proxy.h"

/* One file; the list owns the path. */
struct loader_proxy_file {
    char *path;
    enum ipc_scheme scheme;
    uint8_t delegator[48];
};

struct loader_proxy_files {
    struct loader_proxy_file *items;
    size_t num_items, capacity;
};
void loader_proxy_files_cleanup(struct loader_proxy_files *files);

/* Every file in the folder, whoever its delegator is, up to IPC_PROXIES_IN_ALL_MAX (E_TOO_LARGE). That there
 * is no such folder yet is as if it were empty. */
must_check result loader_proxy_folder_list(struct loader_proxy_files *ret_files, const char *path);

/* Writes a new file, mode 0600, and makes the folders that lead to it, mode 0700. When it returns, all of
 * this is durable; should it be cut off, there is no such file. */
must_check result loader_proxy_folder_write(const char *path, const struct ipc_proxy *proxy,
                                            const struct buffer *json);

#endif
