/* disk.c - the files of a run as the disk would have them: a copy of each, into which fsync carries what was
 * written since the one before. What was written before an fsync that failed is not carried by a later one
 * that succeeds, for Linux then holds those pages for clean. That a file has a name is taken for durable. */
#include "calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 8, FILE_MAX = 1 << 20, RANGES_MAX = 4096 };

static struct disk {
    struct disk_file {
        uint64_t inode; /* 0: none */
        int64_t length;
        uint8_t bytes[FILE_MAX];
    } files[FILES];
    struct range {
        uint64_t inode; /* 0: done */
        int64_t offset;
        uint64_t length;
    } ranges[RANGES_MAX];
    uint32_t num_ranges;
    bool overflowed;
} * disk;

static void complain(const char *what)
{
    (void)fprintf(stderr, "torture: %s\n", what);
    _exit(3);
}

void torture_disk_open(void)
{
    disk = mmap(NULL, sizeof *disk, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (disk == MAP_FAILED)
        complain("no memory");
}

void torture_disk_forget(void)
{
    for (size_t i = 0; i < FILES; i++)
        disk->files[i].inode = 0;
    disk->num_ranges = 0;
}

static struct disk_file *file_of(uint64_t inode)
{
    for (size_t i = 0; i < FILES; i++)
        if (disk->files[i].inode == inode)
            return &disk->files[i];
    return NULL;
}

/* Reads what is in a file that may be open for writing only. */
static void carry(uint8_t *out, int fd, int64_t offset, uint64_t length)
{
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY | O_CLOEXEC);
    if (again < 0 || pread(again, out, length, offset) < 0)
        complain("cannot read what was written");
    (void)close(again);
}

/* The one that is open there, added as it is before anything of this run is written to it. */
static struct disk_file *file_at(const struct stat *status, int fd)
{
    struct disk_file *file = file_of(status->st_ino);
    if (file)
        return file;
    file = file_of(0);
    if (!file || status->st_size > FILE_MAX)
        complain("too much to follow");
    memset(file->bytes, 0, FILE_MAX);
    carry(file->bytes, fd, 0, FILE_MAX);
    file->inode = status->st_ino;
    file->length = status->st_size;
    return file;
}

static bool is_file(struct stat *ret_status, int fd)
{
    return disk && fstat(fd, ret_status) == 0 && S_ISREG(ret_status->st_mode);
}

void torture_disk_wrote(int fd, int64_t offset, uint64_t length)
{
    struct stat status;
    if (!is_file(&status, fd) || length == 0)
        return;
    (void)file_at(&status, fd);
    uint32_t i = 0;
    while (i < disk->num_ranges && disk->ranges[i].inode)
        i++;
    if (i == RANGES_MAX || offset < 0 || (uint64_t)offset + length > FILE_MAX)
        complain("too much written to follow");
    disk->ranges[i] = (struct range){status.st_ino, offset, length};
    if (i == disk->num_ranges)
        disk->num_ranges++;
}

void torture_disk_resized(int fd)
{
    struct stat status;
    if (is_file(&status, fd))
        (void)file_at(&status, fd);
}

void torture_disk_synced(int fd, bool ok)
{
    struct stat status;
    if (!is_file(&status, fd))
        return;
    struct disk_file *file = file_at(&status, fd);
    for (uint32_t i = 0; i < disk->num_ranges; i++) {
        struct range *range = &disk->ranges[i];
        if (range->inode != status.st_ino)
            continue;
        if (ok)
            carry(file->bytes + range->offset, fd, range->offset, range->length);
        range->inode = 0;
    }
    if (ok)
        file->length = status.st_size;
}

void torture_disk_unlinked(int folder, const char *path)
{
    struct stat status;
    if (!disk || fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    struct disk_file *file = file_of(status.st_ino);
    if (file)
        file->inode = 0;
    for (uint32_t i = 0; i < disk->num_ranges; i++)
        if (disk->ranges[i].inode == status.st_ino)
            disk->ranges[i].inode = 0;
}

void torture_disk_cut_power(const char *folder)
{
    DIR *names = opendir(folder);
    for (struct dirent *name; names && (name = readdir(names));) {
        char path[512];
        struct stat status;
        (void)snprintf(path, sizeof path, "%s/%s", folder, name->d_name);
        if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode))
            continue;
        struct disk_file *file = file_of(status.st_ino);
        if (!file)
            continue; /* it was there before */
        int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
        if (fd < 0 || pwrite(fd, file->bytes, (size_t)file->length, 0) != file->length)
            complain("cannot put a file back");
        (void)close(fd);
    }
    if (names)
        (void)closedir(names);
}
