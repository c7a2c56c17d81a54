/* fault_vfs.c - see fault_vfs.h.
 *
 * Everything is passed on to SQLite's own file system, so that a process that goes on sees what it wrote.
 * Beside it, for each file, there is the image of what is certainly on the disk, and the list of changes
 * since the last sync. When the power goes, the files are overwritten by the image and a choice of the
 * changes. */
#include "fault_vfs.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fcntl.h>

enum { SECTOR = 512, FILES = 8, NAME_MAX_LEN = 512 };

/* A write, or, without bytes, a truncation to `at`. */
struct change {
    unsigned char *bytes;
    size_t len, at;
};

struct image {
    char name[NAME_MAX_LEN];
    unsigned char *bytes;
    size_t len;
    struct change *changes;
    size_t num_changes;
    bool is_there;
};

struct file {
    sqlite3_file base;
    struct image *image;
    sqlite3_file real[]; /* as large as the file system below wants it */
};

static sqlite3_vfs layer, *below;
static struct image images[FILES];
static enum fault_mode fault;
static int fault_at, counted;
static bool happened, power_fails_at_the_end;

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* ---- the disk ---- */

static void image_resize(struct image *image, size_t len)
{
    image->bytes = must(realloc(image->bytes, len + 1));
    if (len > image->len)
        memset(image->bytes + image->len, 0, len - image->len);
    image->len = len;
}

static void image_write(struct image *image, const unsigned char *bytes, size_t len, size_t at)
{
    if (at + len > image->len)
        image_resize(image, at + len);
    memcpy(image->bytes + at, bytes, len);
}

static void forget_changes(struct image *image)
{
    for (size_t i = 0; i < image->num_changes; i++)
        free(image->changes[i].bytes);
    image->num_changes = 0;
}

static void apply(struct image *image, const struct change *change, bool some_sectors)
{
    if (!change->bytes) {
        if (!some_sectors || rand() % 2)
            image_resize(image, change->at);
        return;
    }
    for (size_t done = 0; done < change->len;) {
        size_t step = SECTOR - (change->at + done) % SECTOR;
        if (step > change->len - done)
            step = change->len - done;
        if (!some_sectors || rand() % 2)
            image_write(image, change->bytes + done, step, change->at + done);
        done += step;
    }
}

static void apply_changes(struct image *image, bool some_sectors)
{
    for (size_t i = 0; i < image->num_changes; i++)
        apply(image, &image->changes[i], some_sectors);
    forget_changes(image);
}

static void note_change(struct image *image, const void *bytes, size_t len, size_t at)
{
    if (!image)
        return;
    image->changes = must(realloc(image->changes, (image->num_changes + 1) * sizeof *image->changes));
    struct change *change = &image->changes[image->num_changes++];
    *change = (struct change){.len = len, .at = at};
    if (bytes)
        change->bytes = memcpy(must(malloc(len + 1)), bytes, len);
}

static struct image *image_of(const char *name)
{
    for (int i = 0; i < FILES; i++)
        if (images[i].is_there && strcmp(images[i].name, name) == 0)
            return &images[i];
    return NULL;
}

/* A file that was there before us is on the disk as it is. */
static struct image *image_open(const char *name)
{
    struct image *image = image_of(name);
    for (int i = 0; !image && i < FILES; i++)
        if (!images[i].is_there)
            image = &images[i];
    if (!image || strlen(name) >= sizeof image->name)
        abort();
    if (image->is_there)
        return image;
    *image = (struct image){.is_there = true};
    memcpy(image->name, name, strlen(name) + 1);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    unsigned char piece[4096];
    ssize_t got;
    while (fd >= 0 && (got = read(fd, piece, sizeof piece)) > 0)
        image_write(image, piece, (size_t)got, image->len);
    (void)close(fd);
    return image;
}

void fault_vfs_power_off(void)
{
    for (int i = 0; i < FILES; i++) {
        struct image *image = &images[i];
        if (!image->is_there)
            continue;
        if (fault == FAULT_POWER_SECTORS || fault == FAULT_POWER_LATE)
            apply_changes(image, fault == FAULT_POWER_SECTORS);
        int fd = open(image->name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, image->bytes, image->len) != (ssize_t)image->len)
            abort();
    }
    (void)raise(SIGKILL);
}

/* ---- faults ---- */

/* Counts; true when this operation is to fail. */
static bool fails(bool is_write, bool is_sync)
{
    counted++;
    if (counted < fault_at)
        return false;
    bool is_it = counted == fault_at;
    switch (fault) {
    case FAULT_ERROR:
    case FAULT_SHORT_WRITE:
        happened = true;
        return is_it;
    case FAULT_ERROR_FOREVER:
        happened = true;
        return true;
    case FAULT_FULL:
        happened = true;
        return is_write;
    case FAULT_LOST_SYNC:
        happened = true;
        power_fails_at_the_end = true;
        return is_it && is_sync;
    case FAULT_POWER:
    case FAULT_POWER_SECTORS:
    case FAULT_POWER_LATE:
    case FAULT_LYING_DISK:
        fault_vfs_power_off();
        break;
    case FAULT_MODES:
        break;
    }
    abort();
}

int fault_vfs_happened(void)
{
    if (power_fails_at_the_end)
        fault_vfs_power_off();
    return happened;
}

/* ---- SQLite's side ---- */

static int layer_close(sqlite3_file *file)
{
    struct file *f = (struct file *)file;
    return f->real->pMethods->xClose(f->real);
}

static int layer_read(sqlite3_file *file, void *out, int len, sqlite3_int64 at)
{
    struct file *f = (struct file *)file;
    return fails(false, false) ? SQLITE_IOERR_READ : f->real->pMethods->xRead(f->real, out, len, at);
}

static int write_through(struct file *f, const void *bytes, int len, sqlite3_int64 at)
{
    int code = f->real->pMethods->xWrite(f->real, bytes, len, at);
    if (code == SQLITE_OK)
        note_change(f->image, bytes, (size_t)len, (size_t)at);
    return code;
}

static int layer_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
    struct file *f = (struct file *)file;
    if (!fails(true, false))
        return write_through(f, bytes, len, at);
    if (fault == FAULT_SHORT_WRITE)
        (void)write_through(f, bytes, len / 2, at);
    return fault == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int layer_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct file *f = (struct file *)file;
    if (fails(false, false))
        return SQLITE_IOERR_TRUNCATE;
    note_change(f->image, NULL, 0, (size_t)size);
    return f->real->pMethods->xTruncate(f->real, size);
}

static int layer_sync(sqlite3_file *file, int flags)
{
    struct file *f = (struct file *)file;
    (void)flags; /* no real sync: nobody pulls our own plug */
    if (fails(false, true)) {
        if (fault == FAULT_LOST_SYNC && f->image)
            forget_changes(f->image);
        return SQLITE_IOERR_FSYNC;
    }
    if (f->image && fault != FAULT_LYING_DISK)
        apply_changes(f->image, false);
    return SQLITE_OK;
}

static int layer_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    struct file *f = (struct file *)file;
    return fails(false, false) ? SQLITE_IOERR_FSTAT : f->real->pMethods->xFileSize(f->real, ret_size);
}

static int layer_lock(sqlite3_file *file, int level)
{
    struct file *f = (struct file *)file;
    return fails(false, false) ? SQLITE_IOERR_LOCK : f->real->pMethods->xLock(f->real, level);
}

static int layer_unlock(sqlite3_file *file, int level)
{
    struct file *f = (struct file *)file;
    return fails(false, false) ? SQLITE_IOERR_UNLOCK : f->real->pMethods->xUnlock(f->real, level);
}

static int layer_check_lock(sqlite3_file *file, int *ret_locked)
{
    struct file *f = (struct file *)file;
    return f->real->pMethods->xCheckReservedLock(f->real, ret_locked);
}

static int layer_control(sqlite3_file *file, int what, void *argument)
{
    struct file *f = (struct file *)file;
    return f->real->pMethods->xFileControl(f->real, what, argument);
}

static int layer_sector(sqlite3_file *file)
{
    (void)file;
    return SECTOR;
}

static int layer_characteristics(sqlite3_file *file)
{
    (void)file;
    return 0; /* nothing is promised: writes are neither atomic nor in order */
}

static int layer_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret_memory)
{
    struct file *f = (struct file *)file;
    return fails(false, false) ? SQLITE_IOERR_SHMMAP
                               : f->real->pMethods->xShmMap(f->real, page, size, extend, ret_memory);
}

static int layer_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    struct file *f = (struct file *)file;
    return fails(false, false) ? SQLITE_IOERR_SHMLOCK
                               : f->real->pMethods->xShmLock(f->real, offset, n, flags);
}

static void layer_shm_barrier(sqlite3_file *file)
{
    struct file *f = (struct file *)file;
    f->real->pMethods->xShmBarrier(f->real);
}

static int layer_shm_unmap(sqlite3_file *file, int is_deleted)
{
    struct file *f = (struct file *)file;
    return f->real->pMethods->xShmUnmap(f->real, is_deleted);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* no memory-mapped reading */
    .xClose = layer_close,
    .xRead = layer_read,
    .xWrite = layer_write,
    .xTruncate = layer_truncate,
    .xSync = layer_sync,
    .xFileSize = layer_size,
    .xLock = layer_lock,
    .xUnlock = layer_unlock,
    .xCheckReservedLock = layer_check_lock,
    .xFileControl = layer_control,
    .xSectorSize = layer_sector,
    .xDeviceCharacteristics = layer_characteristics,
    .xShmMap = layer_shm_map,
    .xShmLock = layer_shm_lock,
    .xShmBarrier = layer_shm_barrier,
    .xShmUnmap = layer_shm_unmap,
};

static int layer_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *ret_flags)
{
    struct file *f = (struct file *)file;
    (void)vfs;
    f->base.pMethods = NULL;
    if (fails(false, false))
        return SQLITE_CANTOPEN;
    int code = below->xOpen(below, name, f->real, flags, ret_flags);
    if (code != SQLITE_OK)
        return code;
    f->image = name ? image_open(name) : NULL;
    f->base.pMethods = &methods;
    return SQLITE_OK;
}

static int layer_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    if (fails(false, false))
        return SQLITE_IOERR_DELETE;
    struct image *image = image_of(name);
    if (image)
        image->is_there = false;
    return below->xDelete(below, name, sync_folder);
}

void fault_vfs_install(enum fault_mode mode, int at, unsigned seed)
{
    below = sqlite3_vfs_find(NULL);
    layer = *below;
    layer.zName = "faults";
    layer.szOsFile = (int)sizeof(struct file) + below->szOsFile;
    layer.xOpen = layer_open;
    layer.xDelete = layer_delete;
    fault = mode;
    fault_at = at;
    srand(seed);
    if (sqlite3_vfs_register(&layer, 1) != SQLITE_OK)
        abort();
}
