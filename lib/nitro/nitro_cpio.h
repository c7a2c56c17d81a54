/* nitro_cpio.h - ramdisks: a small manifest, and the archive that Linux unpacks at boot, the same bytes for
 * the same contents wherever and by whomever it is made. Target nitro_cpio.
 *
 * A manifest is text. Its first line is "nitro-signer-ramdisk 1"; the others are empty, begin with #, or are
 * one of directory MODE PATH file MODE PATH SOURCE                 SOURCE: a file of this machine, to the end
 * of the line symlink PATH TARGET character-device MODE PATH MAJOR MINOR block-device MODE PATH MAJOR MINOR
 * with one blank between words. MODE has four octal digits, set-user-id and set-group-id being refused. PATH
 * is relative to the root of the ramdisk, of printable ASCII, without empty components, "." and ".."; the
 * folder it lies in must be listed, as Linux leaves out what lies in none. */
#ifndef NITRO_CPIO_H
#define NITRO_CPIO_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/result.h"

#define NITRO_CPIO_MANIFEST_HEAD "nitro-signer-ramdisk 1\n"

enum {
    NITRO_CPIO_MANIFEST_MAX = 1 << 20, /* bytes */
    NITRO_CPIO_ENTRIES_MAX = 4096,
    NITRO_CPIO_PATH_MAX = 255,
    NITRO_CPIO_SIZE_MAX = 1 << 29 /* of an archive, in bytes */
};

enum nitro_cpio_kind {
    NITRO_CPIO_DIRECTORY,
    NITRO_CPIO_FILE,
    NITRO_CPIO_SYMLINK,
    NITRO_CPIO_CHARACTER_DEVICE,
    NITRO_CPIO_BLOCK_DEVICE
};

struct nitro_cpio_entry {
    enum nitro_cpio_kind kind;
    unsigned mode; /* permission bits; of a symlink always 0777 */
    char path[NITRO_CPIO_PATH_MAX + 1];
    char *text; /* of a file: where its contents are on this machine; of a symlink: its target; else NULL */
    uint32_t major, minor;
};

struct nitro_cpio_manifest {
    struct nitro_cpio_entry *entries; /* sorted by path, bytewise */
    size_t num_entries;
};
void nitro_cpio_manifest_cleanup(struct nitro_cpio_manifest *manifest);

/* Whether a text means to be a manifest, by its first line. */
bool nitro_cpio_is_manifest(const uint8_t *text, size_t text_len);

/* E_INPUT, naming the line, or the path that is there twice or lies in no listed folder; E_TOO_LARGE. */
must_check result nitro_cpio_manifest_read(struct nitro_cpio_manifest *ret_manifest, const char *text,
                                           size_t text_len);

/* Appends the archive, newc format, not compressed: entries in the manifest's order, numbered from 1, owner
 * and group 0, time 0, filled up with zeros to a multiple of 512 bytes. Sources that do not begin with / are
 * looked for in folder. Errors of reading them name the file. */
must_check result nitro_cpio_write(struct buffer *out, const struct nitro_cpio_manifest *manifest,
                                   const char *folder);

#endif
