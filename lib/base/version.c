/* version.c - the build's name is read out of the executable, not put into it.
 *
 * A commit or a time compiled in would give each commit another enclave image, though not a byte of code
 * changed, and could not be had where the tree is an unpacked archive. The linker's build id is a digest of
 * what was linked: the same sources give the same, a changed byte another; readelf -n shows it of a file,
 * debuggers find their symbols by it, and a release has a list of them (scripts/release). */
#include "base/version.h"

#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"

enum { BUILD_ID_MAX = 32 };

const char version_number[] = NITRO_SIGNER_VERSION;

struct build_id {
    uint8_t bytes[BUILD_ID_MAX];
    size_t length; /* 0: there is none */
};

static size_t padded(size_t length)
{
    return (length + 3) & ~(size_t)3;
}

/* Of one segment of notes: header, name, content, the latter two padded to four bytes. */
static void find_in_notes(struct build_id *found, const uint8_t *notes, size_t length)
{
    ElfW(Nhdr) header;
    for (size_t at = 0; length - at >= sizeof header;) {
        memcpy(&header, notes + at, sizeof header);
        at += sizeof header;
        if (header.n_namesz > length - at || padded(header.n_namesz) > length - at)
            return;
        const uint8_t *name = notes + at;
        at += padded(header.n_namesz);
        if (header.n_descsz > length - at)
            return;
        if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == sizeof ELF_NOTE_GNU &&
            memcmp(name, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0 && header.n_descsz <= BUILD_ID_MAX) {
            memcpy(found->bytes, notes + at, header.n_descsz);
            found->length = header.n_descsz;
            return;
        }
        if (padded(header.n_descsz) > length - at)
            return;
        at += padded(header.n_descsz);
    }
}

/* The first object is the executable itself; what is not 0 ends the walk. */
static int look_at_executable(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_NOTE)
            find_in_notes(context, (const uint8_t *)(info->dlpi_addr + segment->p_vaddr), segment->p_memsz);
    }
    return 1;
}

void version_line(char out[static VERSION_LINE_MAX], const char *program)
{
    struct build_id id = {.length = 0};
    char text[2 * BUILD_ID_MAX + 1];
    (void)dl_iterate_phdr(look_at_executable, &id);
    hex_encode(text, id.bytes, id.length);
    (void)snprintf(out, VERSION_LINE_MAX, "%.*s %s (build %s)", (int)strcspn(program, " \n"), program,
                   version_number, id.length ? text : "unknown");
}
