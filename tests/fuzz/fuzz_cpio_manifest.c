/* fuzz_cpio_manifest.c - the reader of ramdisk manifests. What it accepts is sorted, each path once, none
 * set-user-id or climbing out. */
#include <string.h>

#include "fuzz.h"
#include "nitro/nitro_cpio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(nitro_cpio_manifest) manifest = {0};
    if (nitro_cpio_manifest_read(&manifest, (const char *)data, size).code) {
        PROMISE(!manifest.entries);
        return 0;
    }
    for (size_t i = 0; i < manifest.num_entries; i++) {
        const struct nitro_cpio_entry *entry = &manifest.entries[i];
        PROMISE(i == 0 || strcmp(entry[-1].path, entry->path) < 0);
        PROMISE(entry->path[0] && entry->path[0] != '/' && strncmp(entry->path, "../", 3) != 0 &&
                !strstr(entry->path, "/../") && (entry->mode & ~01777U) == 0);
        PROMISE((entry->text != NULL) ==
                (entry->kind == NITRO_CPIO_FILE || entry->kind == NITRO_CPIO_SYMLINK));
    }
    return 0;
}
