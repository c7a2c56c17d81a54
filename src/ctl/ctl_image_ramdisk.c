/* ctl_image_ramdisk.c - image ramdisk: the archive that a manifest describes, by itself.
 *
 * image build takes manifests too; this is for who compresses a ramdisk before it goes into an image.
 * Rejected: compressing here. The bytes of a compressor change with its version, and the measurements with
 * them; make image takes the pinned one of its build root. */
#include <string.h>

#include "base/file_io.h"
#include "ctl.h"
#include "ctl_image.h"
#include "ctl_report.h"
#include "nitro/nitro_cpio.h"

result ctl_image_pack(struct buffer *out, const struct buffer *manifest, const char *path,
                      const char *sources)
{
    AUTO(nitro_cpio_manifest) entries = {0};
    AUTO(buffer) folder = {0};
    const char *slash = strrchr(path, '/');
    if (sources)
        TRY(buffer_append_text(&folder, sources));
    else if (slash)
        TRY(buffer_append(&folder, path, (size_t)(slash - path) + 1));
    else
        TRY(buffer_append_text(&folder, "."));
    TRY(nitro_cpio_manifest_read(&entries, (const char *)manifest->data, manifest->length));
    return nitro_cpio_write(out, &entries, (const char *)folder.data);
}

result ctl_image_ramdisk(struct ctl_call *call)
{
    const char *manifest = NULL, *sources = NULL, *output = NULL;
    AUTO(buffer) text = {0};
    AUTO(buffer) archive = {0};
    const struct option table[] = {
        {"manifest", OPTION_FILE, &manifest, "what is in the ramdisk", 0, 0},
        {"sources", OPTION_FOLDER, &sources, "where the files are that it names (its folder)", 0, 0},
        {"out", OPTION_FILE, &output, "the cpio archive, not compressed", 0, 0},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_require(call, manifest, "manifest"));
    TRY(ctl_require(call, output, "out"));
    TRY(file_read(&text, manifest, NITRO_CPIO_MANIFEST_MAX));
    ENSURE(nitro_cpio_is_manifest(text.data, text.length), E_INPUT, "%s: not a manifest", manifest);
    result r = ctl_image_pack(&archive, &text, manifest, sources);
    if (r.code)
        return error_prefix(r, "%s", manifest);
    TRY(file_write(output, archive.data, archive.length, 0644));
    if (!call->json)
        return RESULT_OK;
    AUTO_POINTER(json_t)
    object = json_pack("{s:s,s:I}", "ramdisk", output, "bytes", (json_int_t)archive.length);
    return ctl_print_json(object);
}
