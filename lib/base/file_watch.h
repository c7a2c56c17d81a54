/* file_watch.h - noticing that somebody else has written a file anew. */
#ifndef BASE_FILE_WATCH_H
#define BASE_FILE_WATCH_H

#include "base/result.h"

/* An inotify descriptor on the file's folder, non-blocking: a file that is replaced by rename is noticed too.
 */
must_check result file_watch_open(int *ret_fd, const char *path);
/* Empties the descriptor; true when one of the events was about the file. */
bool file_watch_changed(int fd, const char *path);

#endif
