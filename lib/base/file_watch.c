/* file_watch.c - see file_watch.h. Watched is the folder: whoever replaces a file by rename takes the watched
 * one away. */
#include "base/file_watch.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

result file_watch_open(int *ret_fd, const char *path)
{
    char copy[PATH_MAX];
    int length = snprintf(copy, sizeof copy, "%s", path);
    ENSURE(length > 0 && (size_t)length < sizeof copy, E_INPUT, "the path is too long");
    AUTO_FD fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    ENSURE(fd >= 0, E_IO, "inotify: %s", strerror(errno));
    const char *folder = dirname(copy);
    ENSURE(inotify_add_watch(fd, folder, IN_CLOSE_WRITE | IN_MOVED_TO) >= 0, E_IO, "%s: %s", folder,
           strerror(errno));
    *ret_fd = fd_take(&fd);
    return RESULT_OK;
}

bool file_watch_changed(int fd, const char *path)
{
    char copy[PATH_MAX];
    (void)snprintf(copy, sizeof copy, "%s", path);
    const char *name = basename(copy);
    bool changed = false;
    _Alignas(struct inotify_event) char events[4096];
    for (ssize_t length = read(fd, events, sizeof events); length > 0;
         length = read(fd, events, sizeof events)) {
        for (ssize_t at = 0; at < length;) {
            struct inotify_event event;
            memcpy(&event, events + at, sizeof event);
            if (event.len && strcmp(events + at + sizeof event, name) == 0)
                changed = true;
            at += (ssize_t)(sizeof event + event.len);
        }
    }
    return changed;
}
