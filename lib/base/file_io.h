/* file_io.h - whole reads and writes that survive EINTR and short counts. */
#ifndef BASE_FILE_IO_H
#define BASE_FILE_IO_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/result.h"

/* Exactly out_len bytes; E_PEER at an early end. */
must_check result file_read_full(int fd, void *out, size_t out_len);
/* Until the end or out_capacity bytes; *ret_len says how many. */
must_check result file_read_up_to(int fd, void *out, size_t *ret_len, size_t out_capacity);
must_check result file_write_full(int fd, const void *bytes, size_t bytes_len);

/* A whole file that holds no secret, at most max_length bytes (E_TOO_LARGE), appended to out. */
must_check result file_read(struct buffer *out, const char *path, size_t max_length);
/* Writes a new file with these permission bits by way of a temporary name, so that readers
 * see the old contents or the new; fsyncs file and folder. */
must_check result file_write(const char *path, const void *bytes, size_t bytes_len, unsigned mode);

/* fsync of the folder that a file is in: so that a new one is found after a power failure. */
must_check result file_sync_folder_of(const char *path);

/* The same in pieces. AUTO(file_replacement) removes what was not committed. */
struct file_replacement {
    char *path, *temporary;
    bool open; /* fd is, and the temporary file is there */
    int fd;
};
must_check result file_replace_begin(struct file_replacement *ret_replacement, const char *path,
                                     unsigned mode);
must_check result file_replace_write(struct file_replacement *replacement, const void *bytes,
                                     size_t bytes_len);
/* fsync, rename, fsync of the folder. */
must_check result file_replace_commit(struct file_replacement *replacement);
void file_replacement_cleanup(struct file_replacement *replacement);

#endif
