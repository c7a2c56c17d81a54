/* loader_folder.c - see loader_folder.h.
 *
 * What is not valid yet is called .PUBKEY.*.new, and what is being removed .PUBKEY.gone: names that are
 * hidden from the loading of the folder, and that say what is left to be done. */
#include "loader_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "keystore/key_sources.h"
#include "keystore/keystore_file.h"

enum { HEX_LEN = 2 * BLS_PUBKEY_LEN + 2, NAME_LEN = HEX_LEN + 16, KEYSTORE_MAX = 16384 };

/* In the order in which they become valid. */
static const char *const endings[] = {"json", "password", "yaml"};
enum { NUM_FILES = ARRAY_LENGTH(endings), YAML = NUM_FILES - 1 };

DEFINE_AUTO_POINTER(DIR, closedir)

static void name_of(char out[static NAME_LEN], const char *hex, const char *ending, bool is_new)
{
    (void)snprintf(out, NAME_LEN, "%s%s.%s%s", is_new ? "." : "", hex, ending, is_new ? ".new" : "");
}

result loader_folder_open(int *ret_folder, const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ENSURE(folder >= 0, E_IO, "key configuration folder: %s", strerror(errno));
    *ret_folder = folder;
    return RESULT_OK;
}

static must_check result sync_folder(int folder)
{
    ENSURE(fsync(folder) == 0, E_IO, "key configuration folder: fsync: %s", strerror(errno));
    return RESULT_OK;
}

/* That it is not there is as good. */
static must_check result unlink_one(int folder, const char *name)
{
    ENSURE(unlinkat(folder, name, 0) == 0 || errno == ENOENT, E_IO, "key configuration folder: %s",
           strerror(errno));
    return RESULT_OK;
}

/* ---- leftovers ---- */

/* The marker goes last. */
static must_check result remove_rest(int folder, const char *hex)
{
    char name[NAME_LEN];
    for (size_t i = 0; i < YAML; i++) {
        name_of(name, hex, endings[i], false);
        TRY(unlink_one(folder, name));
    }
    TRY(sync_folder(folder));
    (void)snprintf(name, sizeof name, ".%s.gone", hex);
    return unlink_one(folder, name);
}

static bool is_left_over(const char *name, const char *ending)
{
    size_t length = strlen(name), ending_len = strlen(ending);
    return length >= HEX_LEN + 1 + ending_len && strncmp(name, ".0x", 3) == 0 &&
           strspn(name + 3, "0123456789abcdef") == HEX_LEN - 2 &&
           strcmp(name + length - ending_len, ending) == 0;
}

static must_check result sweep_one(int folder, const char *name)
{
    char hex[HEX_LEN + 1];
    if (is_left_over(name, ".new"))
        return unlink_one(folder, name);
    if (!is_left_over(name, ".gone"))
        return RESULT_OK;
    (void)snprintf(hex, sizeof hex, "%s", name + 1);
    return remove_rest(folder, hex);
}

result loader_folder_sweep(int folder)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_POINTER(DIR) list = copy >= 0 ? fdopendir(copy) : NULL;
    const struct dirent *entry;
    ENSURE(list, E_IO, "key configuration folder: %s", strerror(errno));
    while ((entry = readdir(list)))
        TRY(sweep_one(folder, entry->d_name));
    return RESULT_OK;
}

/* ---- import ---- */

static must_check result write_one(int folder, const char *hex, size_t number, const void *bytes,
                                   size_t bytes_len)
{
    char name[NAME_LEN];
    name_of(name, hex, endings[number], true);
    AUTO_FD fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    ENSURE(fd >= 0, E_IO, "key configuration folder: cannot write: %s", strerror(errno));
    TRY(file_write_full(fd, bytes, bytes_len));
    ENSURE(fsync(fd) == 0, E_IO, "key configuration folder: fsync: %s", strerror(errno));
    return RESULT_OK;
}

result loader_folder_prepare(int folder, const uint8_t pubkey[static BLS_PUBKEY_LEN],
                             const struct buffer *json, const struct secret *password)
{
    char hex[HEX_LEN + 1], yaml[512];
    hex_encode_0x(hex, pubkey, BLS_PUBKEY_LEN);
    int length = snprintf(yaml, sizeof yaml,
                          "type: \"file-keystore\"\nkeyType: \"BLS\"\nkeystoreFile: \"%s.json\"\n"
                          "keystorePasswordFile: \"%s.password\"\n",
                          hex, hex);
    TRY(write_one(folder, hex, 0, json->data, json->length));
    TRY(write_one(folder, hex, 1, password->data, password->length));
    return write_one(folder, hex, YAML, yaml, (size_t)length);
}

result loader_folder_commit(int folder, const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    char hex[HEX_LEN + 1], from[NAME_LEN], to[NAME_LEN];
    hex_encode_0x(hex, pubkey, BLS_PUBKEY_LEN);
    for (size_t i = 0; i < NUM_FILES; i++) {
        name_of(from, hex, endings[i], true);
        name_of(to, hex, endings[i], false);
        if (i == YAML)
            TRY(sync_folder(folder));
        ENSURE(renameat(folder, from, folder, to) == 0, E_IO, "key configuration folder: cannot rename: %s",
               strerror(errno));
    }
    return sync_folder(folder);
}

/* ---- removal ---- */

/* The name of a path's file. */
static const char *file_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Whether the configuration names the two files, and no more keys than that. */
static must_check result check_configuration(const char *path, const char *hex)
{
    AUTO(key_sources) sources = {0};
    char yaml[NAME_LEN], json[NAME_LEN], password[NAME_LEN];
    name_of(yaml, hex, "yaml", false);
    name_of(json, hex, "json", false);
    name_of(password, hex, "password", false);
    TRY(key_sources_add_config_file(&sources, path, yaml));
    const struct key_source *one = sources.items;
    ENSURE(sources.num_items == 1 && one->kind == KEY_SOURCE_KEYSTORE &&
               strcmp(file_of(one->keystore_path), json) == 0 &&
               strcmp(file_of(one->password_path), password) == 0,
           E_MISMATCH, "%s does not name %s and %s alone", yaml, json, password);
    return RESULT_OK;
}

static must_check result check_keystore(int folder, const char *hex,
                                        const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    char name[NAME_LEN];
    AUTO(secret) text = {0};
    struct keystore_file file;
    size_t length = 0;
    name_of(name, hex, "json", false);
    AUTO_FD fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    ENSURE(fd >= 0, E_MISMATCH, "%s: %s", name, strerror(errno));
    TRY(secret_new(&text, KEYSTORE_MAX + 1));
    TRY(file_read_up_to(fd, text.data, &length, text.length));
    TRY(keystore_file_parse(&file, (const char *)text.data, length, SIZE_MAX));
    ENSURE(!file.has_pubkey || memcmp(file.pubkey, pubkey, BLS_PUBKEY_LEN) == 0, E_MISMATCH,
           "%s is of another key", name);
    return RESULT_OK;
}

result loader_folder_remove(int folder, const char *path, const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    struct stat status;
    char hex[HEX_LEN + 1], yaml[NAME_LEN], gone[NAME_LEN];
    hex_encode_0x(hex, pubkey, BLS_PUBKEY_LEN);
    name_of(yaml, hex, "yaml", false);
    ENSURE(fstatat(folder, yaml, &status, 0) == 0, E_NOT_FOUND, "%s: %s", yaml, strerror(errno));
    TRY(check_configuration(path, hex));
    TRY(check_keystore(folder, hex, pubkey));
    (void)snprintf(gone, sizeof gone, ".%s.gone", hex);
    ENSURE(renameat(folder, yaml, folder, gone) == 0, E_IO, "key configuration folder: cannot rename: %s",
           strerror(errno));
    TRY(sync_folder(folder));
    return remove_rest(folder, hex);
}
