/* nitro_cpio_manifest.c - the list of what is in a ramdisk: text to a sorted table.
 *
 * Everything that differs from machine to machine (owner, times, modes by umask, the order of a folder) is
 * absent from the manifest or written down in it; that is why a folder is not simply walked. */
#include <stdlib.h>
#include <string.h>

#include "nitro/nitro_cpio.h"

enum { LINE_MAX_LEN = 4096 };

void nitro_cpio_manifest_cleanup(struct nitro_cpio_manifest *manifest)
{
    for (size_t i = 0; i < manifest->num_entries; i++)
        free(manifest->entries[i].text);
    free(manifest->entries);
    *manifest = (struct nitro_cpio_manifest){0};
}

bool nitro_cpio_is_manifest(const uint8_t *text, size_t text_len)
{
    static const char head[] = NITRO_CPIO_MANIFEST_HEAD;
    return text_len >= sizeof head - 1 && memcmp(text, head, sizeof head - 1) == 0;
}

/* Cuts the next word, which one blank ends, off the rest; NULL when there is none. */
static char *take_word(char **rest)
{
    char *word = *rest;
    size_t length = strcspn(word, " ");
    if (length == 0)
        return NULL;
    *rest = word + length;
    if (**rest)
        *(*rest)++ = 0;
    return word;
}

static must_check result take_mode(unsigned *ret_mode, char **rest)
{
    unsigned mode = 0;
    const char *word = take_word(rest);
    ENSURE(word && strlen(word) == 4 && strspn(word, "01234567") == 4, E_INPUT,
           "the mode must have four octal digits");
    for (size_t i = 0; i < 4; i++)
        mode = mode << 3 | (unsigned)(word[i] - '0');
    ENSURE((mode & 06000) == 0, E_INPUT, "nothing in a ramdisk may be set-user-id or set-group-id");
    *ret_mode = mode;
    return RESULT_OK;
}

static must_check result take_number(uint32_t *ret_number, char **rest)
{
    uint32_t number = 0;
    const char *word = take_word(rest);
    size_t length = word ? strlen(word) : 0;
    ENSURE(length > 0 && length <= 7 && strspn(word, "0123456789") == length, E_INPUT,
           "a device has two decimal numbers");
    for (size_t i = 0; i < length; i++)
        number = 10 * number + (uint32_t)(word[i] - '0');
    *ret_number = number;
    return RESULT_OK;
}

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static must_check result take_path(char ret_path[static NITRO_CPIO_PATH_MAX + 1], char **rest)
{
    const char *word = take_word(rest);
    ENSURE(word && strlen(word) <= NITRO_CPIO_PATH_MAX && is_printable(word), E_INPUT,
           "the path must be of 1 to %d printable characters", NITRO_CPIO_PATH_MAX);
    for (const char *part = word;; part++) {
        size_t length = strcspn(part, "/");
        ENSURE(length > 0, E_INPUT, "the path must be relative to the root, without empty parts");
        ENSURE(!(part[0] == '.' && (length == 1 || (length == 2 && part[1] == '.'))), E_INPUT,
               "the path has a part . or ..");
        part += length;
        if (!*part)
            break;
    }
    /* The archive's end mark. */
    ENSURE(strcmp(word, "TRAILER!!!") != 0, E_INPUT, "no file can have this name");
    memcpy(ret_path, word, strlen(word) + 1);
    return RESULT_OK;
}

/* The rest of the line: a file name of this machine, or a symlink's target. */
static must_check result take_text(char **ret_text, char **rest)
{
    ENSURE(**rest, E_INPUT, "what it is to hold is missing");
    *ret_text = strdup(*rest);
    ENSURE(*ret_text, E_MEMORY, "out of memory");
    *rest += strlen(*rest);
    return RESULT_OK;
}

static must_check result kind_of(enum nitro_cpio_kind *ret_kind, const char *word)
{
    static const char *const names[] = {[NITRO_CPIO_DIRECTORY] = "directory",
                                        [NITRO_CPIO_FILE] = "file",
                                        [NITRO_CPIO_SYMLINK] = "symlink",
                                        [NITRO_CPIO_CHARACTER_DEVICE] = "character-device",
                                        [NITRO_CPIO_BLOCK_DEVICE] = "block-device"};
    for (size_t i = 0; word && i < ARRAY_LENGTH(names); i++) {
        if (strcmp(word, names[i]) == 0) {
            *ret_kind = (enum nitro_cpio_kind)i;
            return RESULT_OK;
        }
    }
    FAIL(E_INPUT, "must begin with directory, file, symlink, character-device or block-device");
}

/* The line is not empty. entry->text is the manifest's to free even when the line turns out to be wrong. */
static must_check result read_line(struct nitro_cpio_entry *entry, char *line)
{
    char *rest = line;
    ENSURE(line[strlen(line) - 1] != ' ', E_INPUT, "a blank at the end of the line");
    TRY(kind_of(&entry->kind, take_word(&rest)));
    entry->mode = 0777;
    if (entry->kind != NITRO_CPIO_SYMLINK)
        TRY(take_mode(&entry->mode, &rest));
    TRY(take_path(entry->path, &rest));
    switch (entry->kind) {
    case NITRO_CPIO_DIRECTORY:
        break;
    case NITRO_CPIO_FILE:
        TRY(take_text(&entry->text, &rest));
        break;
    case NITRO_CPIO_SYMLINK:
        TRY(take_text(&entry->text, &rest));
        ENSURE(is_printable(entry->text), E_INPUT, "the target of a symlink must be printable");
        break;
    case NITRO_CPIO_CHARACTER_DEVICE:
    case NITRO_CPIO_BLOCK_DEVICE:
        TRY(take_number(&entry->major, &rest));
        TRY(take_number(&entry->minor, &rest));
        break;
    }
    ENSURE(!*rest, E_INPUT, "more words than belong there");
    return RESULT_OK;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct nitro_cpio_entry *)a)->path, ((const struct nitro_cpio_entry *)b)->path);
}

/* The entry of that path, the first path_len bytes of path. */
static const struct nitro_cpio_entry *find(const struct nitro_cpio_manifest *manifest, const char *path,
                                           size_t path_len)
{
    struct nitro_cpio_entry wanted = {0};
    memcpy(wanted.path, path, path_len);
    return bsearch(&wanted, manifest->entries, manifest->num_entries, sizeof wanted, by_path);
}

static must_check result check(const struct nitro_cpio_manifest *manifest)
{
    ENSURE(manifest->num_entries > 0, E_INPUT, "the manifest lists nothing");
    for (size_t i = 0; i < manifest->num_entries; i++) {
        const char *path = manifest->entries[i].path, *slash = strrchr(path, '/');
        ENSURE(i == 0 || strcmp(manifest->entries[i - 1].path, path) != 0, E_INPUT, "%s is listed twice",
               path);
        if (!slash)
            continue;
        const struct nitro_cpio_entry *folder = find(manifest, path, (size_t)(slash - path));
        ENSURE(folder && folder->kind == NITRO_CPIO_DIRECTORY, E_INPUT, "%s lies in no listed directory",
               path);
    }
    return RESULT_OK;
}

/* Copies the next line, without its end, off the text. */
static must_check result next_line(char ret_line[static LINE_MAX_LEN + 1], struct cursor *c)
{
    const uint8_t *end = memchr(c->at, '\n', c->left);
    ENSURE(end, E_INPUT, "does not end");
    size_t length = (size_t)(end - c->at);
    ENSURE(length <= LINE_MAX_LEN && !memchr(c->at, 0, length), E_INPUT,
           "is longer than %d bytes, or holds a NUL", LINE_MAX_LEN);
    memcpy(ret_line, c->at, length);
    ret_line[length] = 0;
    c->at += length + 1;
    c->left -= length + 1;
    return RESULT_OK;
}

static must_check result add_line(struct nitro_cpio_manifest *manifest, struct cursor *c)
{
    char line[LINE_MAX_LEN + 1];
    TRY(next_line(line, c));
    if (line[0] == 0 || line[0] == '#')
        return RESULT_OK;
    ENSURE(manifest->num_entries < NITRO_CPIO_ENTRIES_MAX, E_TOO_LARGE, "more than %d entries",
           NITRO_CPIO_ENTRIES_MAX);
    return read_line(&manifest->entries[manifest->num_entries++], line);
}

result nitro_cpio_manifest_read(struct nitro_cpio_manifest *ret_manifest, const char *text, size_t text_len)
{
    AUTO(nitro_cpio_manifest) manifest = {0};
    const size_t head_len = sizeof NITRO_CPIO_MANIFEST_HEAD - 1;
    ENSURE(text_len <= NITRO_CPIO_MANIFEST_MAX, E_TOO_LARGE, "the manifest has more than %d bytes",
           NITRO_CPIO_MANIFEST_MAX);
    ENSURE(nitro_cpio_is_manifest((const uint8_t *)text, text_len), E_INPUT,
           "the first line must be " NITRO_CPIO_MANIFEST_HEAD);
    manifest.entries = calloc(NITRO_CPIO_ENTRIES_MAX, sizeof manifest.entries[0]);
    ENSURE(manifest.entries, E_MEMORY, "out of memory");
    struct cursor c = {(const uint8_t *)text + head_len, text_len - head_len};
    for (size_t number = 2; c.left > 0; number++) {
        result r = add_line(&manifest, &c);
        if (r.code)
            return error_prefix(r, "line %zu", number);
    }
    qsort(manifest.entries, manifest.num_entries, sizeof manifest.entries[0], by_path);
    TRY(check(&manifest));
    *ret_manifest = manifest;
    manifest = (struct nitro_cpio_manifest){0};
    return RESULT_OK;
}
