/* loader_proxy_folder.c - see loader_proxy_folder.h.
 *
 * A file is written under a hidden name, which is not read back, and renamed once it is on the disk. What a
 * process that was killed has left under such a name, the next one to write there removes. */
#include "loader_proxy_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_io.h"
#include "base/hex.h"

enum { PUBKEY_LEN = 48, HEX_LEN = 2 * PUBKEY_LEN + 2, NAME_LEN = HEX_LEN + 16, PATH_LEN = 4096 };

DEFINE_AUTO_POINTER(DIR, closedir)

static const struct {
    enum ipc_scheme scheme;
    const char *name;
} schemes[] = {{IPC_SCHEME_BLS, "BLS"}, {IPC_SCHEME_ECDSA, "SECP256K1"}};

void loader_proxy_files_cleanup(struct loader_proxy_files *files)
{
    for (size_t i = 0; i < files->num_items; i++)
        free(files->items[i].path);
    free(files->items);
    *files = (struct loader_proxy_files){0};
}

/* ---- what is there ---- */

static must_check result append(struct loader_proxy_files *files, const struct loader_proxy_file *file)
{
    ENSURE(files->num_items < IPC_PROXIES_IN_ALL_MAX, E_TOO_LARGE, "more than %d proxy keys",
           IPC_PROXIES_IN_ALL_MAX);
    if (files->num_items == files->capacity) {
        size_t capacity = files->capacity ? 2 * files->capacity : 64;
        struct loader_proxy_file *items = realloc(files->items, capacity * sizeof *items);
        ENSURE(items, E_MEMORY, "out of memory for proxy keys");
        files->items = items;
        files->capacity = capacity;
    }
    files->items[files->num_items] = *file;
    files->items[files->num_items].path = strdup(file->path);
    ENSURE(files->items[files->num_items].path, E_MEMORY, "out of memory for proxy keys");
    files->num_items++;
    return RESULT_OK;
}

/* *ret_folder NULL: there is none. */
static must_check result open_list(DIR **ret_folder, const char *path)
{
    *ret_folder = opendir(path);
    ENSURE(*ret_folder || errno == ENOENT, E_IO, "%s: %s", path, strerror(errno));
    return RESULT_OK;
}

static bool is_keystore(const char *name)
{
    size_t length = strlen(name);
    return name[0] != '.' && length > 5 && strcmp(name + length - 5, ".json") == 0;
}

static must_check result list_files(struct loader_proxy_files *files, const char *folder,
                                    const struct loader_proxy_file *like)
{
    AUTO_POINTER(DIR) list = NULL;
    const struct dirent *entry;
    TRY(open_list(&list, folder));
    while (list && (entry = readdir(list))) {
        char path[PATH_LEN];
        if (!is_keystore(entry->d_name))
            continue;
        int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        ENSURE(length > 0 && length < PATH_LEN, E_INPUT, "%s: too long", folder);
        struct loader_proxy_file file = *like;
        file.path = path;
        TRY(append(files, &file));
    }
    return RESULT_OK;
}

static must_check result list_delegator(struct loader_proxy_files *files, const char *path, const char *name)
{
    struct loader_proxy_file file = {0};
    char folder[PATH_LEN];
    if (hex_decode(file.delegator, sizeof file.delegator, name, strlen(name)).code)
        return RESULT_OK; /* no public key: not one of ours */
    for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
        int length = snprintf(folder, sizeof folder, "%s/%s/%s", path, name, schemes[i].name);
        ENSURE(length > 0 && length < PATH_LEN, E_INPUT, "%s: too long", path);
        file.scheme = schemes[i].scheme;
        TRY(list_files(files, folder, &file));
    }
    return RESULT_OK;
}

result loader_proxy_folder_list(struct loader_proxy_files *ret_files, const char *path)
{
    AUTO(loader_proxy_files) files = {0};
    AUTO_POINTER(DIR) list = NULL;
    const struct dirent *entry;
    TRY(open_list(&list, path));
    while (list && (entry = readdir(list)))
        TRY(list_delegator(&files, path, entry->d_name));
    *ret_files = files;
    files = (struct loader_proxy_files){0};
    return RESULT_OK;
}

/* ---- a new one ---- */

static must_check result sync_folder(int folder)
{
    ENSURE(fsync(folder) == 0, E_IO, "proxy keys: fsync: %s", strerror(errno));
    return RESULT_OK;
}

/* The folder of that name in another, which is made when it is not there: durably. */
static must_check result enter(int *ret_folder, int parent, const char *name)
{
    ENSURE(mkdirat(parent, name, 0700) == 0 || errno == EEXIST, E_IO, "proxy keys: cannot make a folder: %s",
           strerror(errno));
    int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ENSURE(folder >= 0, E_IO, "proxy keys: %s", strerror(errno));
    *ret_folder = folder;
    return parent == AT_FDCWD ? RESULT_OK : sync_folder(parent);
}

static must_check result sweep(int folder)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_POINTER(DIR) list = copy >= 0 ? fdopendir(copy) : NULL;
    const struct dirent *entry;
    ENSURE(list, E_IO, "proxy keys: %s", strerror(errno));
    while ((entry = readdir(list))) {
        size_t length = strlen(entry->d_name);
        if (length < strlen(".0x.new") || strncmp(entry->d_name, ".0x", 3) != 0 ||
            strcmp(entry->d_name + length - 4, ".new") != 0)
            continue;
        ENSURE(unlinkat(folder, entry->d_name, 0) == 0 || errno == ENOENT, E_IO, "proxy keys: %s",
               strerror(errno));
    }
    return RESULT_OK;
}

static must_check result write_file(int folder, const char *hex, const struct buffer *json)
{
    char hidden[NAME_LEN], name[NAME_LEN];
    (void)snprintf(hidden, sizeof hidden, ".%s.json.new", hex);
    (void)snprintf(name, sizeof name, "%s.json", hex);
    AUTO_FD fd = openat(folder, hidden, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    ENSURE(fd >= 0, E_IO, "proxy keys: cannot write: %s", strerror(errno));
    TRY(file_write_full(fd, json->data, json->length));
    ENSURE(fsync(fd) == 0, E_IO, "proxy keys: fsync: %s", strerror(errno));
    ENSURE(renameat(folder, hidden, folder, name) == 0, E_IO, "proxy keys: cannot rename: %s",
           strerror(errno));
    return sync_folder(folder);
}

result loader_proxy_folder_write(const char *path, const struct ipc_proxy *proxy, const struct buffer *json)
{
    AUTO_FD top = -1;
    AUTO_FD of_delegator = -1;
    AUTO_FD folder = -1;
    char delegator[HEX_LEN + 1], pubkey[HEX_LEN + 1];
    hex_encode_0x(delegator, proxy->delegator, PUBKEY_LEN);
    hex_encode_0x(pubkey, proxy->pubkey, ipc_scheme_pubkey_len(proxy->scheme));
    TRY(enter(&top, AT_FDCWD, path));
    TRY(enter(&of_delegator, top, delegator));
    for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++)
        if (schemes[i].scheme == proxy->scheme)
            TRY(enter(&folder, of_delegator, schemes[i].name));
    TRY(sweep(folder));
    return write_file(folder, pubkey, json);
}
