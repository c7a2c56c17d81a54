/* nitro_cpio.c - the archive: newc, as Documentation/driver-api/early-userspace/buffer-format of Linux
 * describes it.
 *
 * Not compressed: AWS's ramdisks are not either, and the bytes of a compressor are those of its version,
 * which would reach PCR0. Times are 0 rather than SOURCE_DATE_EPOCH for the same reason: what an image
 * measures to depends on its contents. */
#include "nitro/nitro_cpio.h"

#include <string.h>
#include <sys/stat.h>

#include "base/file_io.h"

enum { RECORD_LEN = 4, BLOCK_LEN = 512 };

struct header {
    uint32_t inode, mode, links, size, major, minor;
    const char *name;
};

static must_check result pad(struct buffer *out, size_t start, size_t multiple)
{
    static const uint8_t zeros[BLOCK_LEN];
    size_t over = (out->length - start) % multiple;
    return over ? buffer_append(out, zeros, multiple - over) : RESULT_OK;
}

static must_check result append_header(struct buffer *out, size_t start, const struct header *h)
{
    const uint32_t fields[] = {h->inode, h->mode, 0, 0,        h->links, 0 /* time */,
                               h->size,  0,       0, h->major, h->minor, (uint32_t)strlen(h->name) + 1,
                               0 /* newc has no check sum */};
    TRY(buffer_append_text(out, "070701"));
    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++)
        TRY(buffer_printf(out, "%08X", fields[i]));
    TRY(buffer_append(out, h->name, strlen(h->name) + 1));
    return pad(out, start, RECORD_LEN);
}

static uint32_t type_bits(enum nitro_cpio_kind kind)
{
    switch (kind) {
    case NITRO_CPIO_DIRECTORY:
        return S_IFDIR;
    case NITRO_CPIO_FILE:
        return S_IFREG;
    case NITRO_CPIO_SYMLINK:
        return S_IFLNK;
    case NITRO_CPIO_CHARACTER_DEVICE:
        return S_IFCHR;
    case NITRO_CPIO_BLOCK_DEVICE:
        return S_IFBLK;
    }
    return 0;
}

/* What follows the header of an entry. */
static must_check result contents(struct buffer *out, const struct nitro_cpio_entry *entry,
                                  const char *folder)
{
    AUTO(buffer) path = {0};
    switch (entry->kind) {
    case NITRO_CPIO_FILE:
        if (entry->text[0] != '/')
            TRY(buffer_printf(&path, "%s/", folder));
        TRY(buffer_append_text(&path, entry->text));
        return file_read(out, (const char *)path.data, NITRO_CPIO_SIZE_MAX);
    case NITRO_CPIO_SYMLINK:
        return buffer_append_text(out, entry->text);
    case NITRO_CPIO_DIRECTORY:
    case NITRO_CPIO_CHARACTER_DEVICE:
    case NITRO_CPIO_BLOCK_DEVICE:
        break;
    }
    return RESULT_OK;
}

static must_check result append_entry(struct buffer *out, size_t start, const struct nitro_cpio_entry *entry,
                                      uint32_t inode, const char *folder)
{
    AUTO(buffer) data = {0};
    TRY(contents(&data, entry, folder));
    struct header h = {.inode = inode,
                       .mode = type_bits(entry->kind) | entry->mode,
                       .links = entry->kind == NITRO_CPIO_DIRECTORY ? 2 : 1,
                       .size = (uint32_t)data.length,
                       .major = entry->major,
                       .minor = entry->minor,
                       .name = entry->path};
    TRY(append_header(out, start, &h));
    if (data.length > 0)
        TRY(buffer_append(out, data.data, data.length));
    ENSURE(out->length - start <= NITRO_CPIO_SIZE_MAX, E_TOO_LARGE, "the ramdisk has more than %d bytes",
           NITRO_CPIO_SIZE_MAX);
    return pad(out, start, RECORD_LEN);
}

result nitro_cpio_write(struct buffer *out, const struct nitro_cpio_manifest *manifest, const char *folder)
{
    const size_t start = out->length;
    for (size_t i = 0; i < manifest->num_entries; i++)
        TRY(append_entry(out, start, &manifest->entries[i], (uint32_t)(i + 1), folder));
    TRY(append_header(out, start, &(struct header){.links = 1, .name = "TRAILER!!!"}));
    return pad(out, start, BLOCK_LEN);
}
