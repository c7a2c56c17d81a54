/* file_io.c - see file_io.h. */
#include "base/file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

result file_read_full(int fd, void *out, size_t out_len)
{
    size_t length;
    TRY(file_read_up_to(fd, out, &length, out_len));
    ENSURE(length == out_len, E_PEER, "ended after %zu of %zu bytes", length, out_len);
    return RESULT_OK;
}

result file_read_up_to(int fd, void *out, size_t *ret_len, size_t out_capacity)
{
    size_t length = 0;
    while (length < out_capacity) {
        ssize_t n = read(fd, (uint8_t *)out + length, out_capacity - length);
        if (n < 0 && errno == EINTR)
            continue;
        ENSURE(n >= 0, E_IO, "read: %s", strerror(errno));
        if (n == 0)
            break;
        length += (size_t)n;
    }
    *ret_len = length;
    return RESULT_OK;
}

result file_write_full(int fd, const void *bytes, size_t bytes_len)
{
    size_t done = 0;
    while (done < bytes_len) {
        ssize_t n = write(fd, (const uint8_t *)bytes + done, bytes_len - done);
        if (n < 0 && errno == EINTR)
            continue;
        ENSURE(n > 0, E_IO, "write: %s", strerror(errno));
        done += (size_t)n;
    }
    return RESULT_OK;
}

result file_read(struct buffer *out, const char *path, size_t max_length)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ENSURE(fd >= 0, errno == ENOENT ? E_NOT_FOUND : E_IO, "%s: %s", path, strerror(errno));
    size_t start = out->length;
    for (;;) {
        TRY(buffer_reserve(out, 16384));
        size_t length;
        result r = file_read_up_to(fd, out->data + out->length, &length, 16384);
        if (r.code)
            return error_prefix(r, "%s", path);
        out->length += length;
        out->data[out->length] = 0;
        ENSURE(out->length - start <= max_length, E_TOO_LARGE, "%s: more than %zu bytes", path, max_length);
        if (length < 16384)
            return RESULT_OK;
    }
}

result file_sync_folder_of(const char *path)
{
    char copy[PATH_MAX];
    (void)snprintf(copy, sizeof copy, "%s", path);
    AUTO_FD fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ENSURE(fd >= 0 && fsync(fd) == 0, E_IO, "fsync of the folder of %s: %s", path, strerror(errno));
    return RESULT_OK;
}

void file_replacement_cleanup(struct file_replacement *replacement)
{
    if (replacement->open) {
        (void)unlink(replacement->temporary);
        (void)close(replacement->fd);
    }
    free(replacement->temporary);
    free(replacement->path);
    *replacement = (struct file_replacement){0};
}

result file_replace_begin(struct file_replacement *ret_replacement, const char *path, unsigned mode)
{
    AUTO(file_replacement) new = {.path = strdup(path)};
    ENSURE(strlen(path) < PATH_MAX - sizeof ".XXXXXX", E_INPUT, "path is too long");
    ENSURE(new.path &&asprintf(&new.temporary, "%s.XXXXXX", path) >= 0, E_MEMORY, "out of memory");
    new.fd = mkostemp(new.temporary, O_CLOEXEC);
    ENSURE(new.fd >= 0, E_IO, "%s: %s", new.temporary, strerror(errno));
    new.open = true;
    ENSURE(fchmod(new.fd, (mode_t)mode) == 0, E_IO, "%s: chmod: %s", path, strerror(errno));
    *ret_replacement = new;
    new = (struct file_replacement){0};
    return RESULT_OK;
}

result file_replace_write(struct file_replacement *replacement, const void *bytes, size_t bytes_len)
{
    result r = file_write_full(replacement->fd, bytes, bytes_len);
    return r.code ? error_prefix(r, "%s", replacement->path) : r;
}

result file_replace_commit(struct file_replacement *replacement)
{
    const char *path = replacement->path;
    ENSURE(fsync(replacement->fd) == 0, E_IO, "%s: fsync: %s", path, strerror(errno));
    ENSURE(rename(replacement->temporary, path) == 0, E_IO, "%s: rename: %s", path, strerror(errno));
    (void)close(replacement->fd);
    replacement->open = false;
    return file_sync_folder_of(path);
}

result file_write(const char *path, const void *bytes, size_t bytes_len, unsigned mode)
{
    AUTO(file_replacement) replacement = {0};
    TRY(file_replace_begin(&replacement, path, mode));
    TRY(file_replace_write(&replacement, bytes, bytes_len));
    return file_replace_commit(&replacement);
}
