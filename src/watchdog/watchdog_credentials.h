/* watchdog_credentials.h - the role's credentials: as a member of a message, and watched on disk.
 */
#ifndef WATCHDOG_WATCHDOG_CREDENTIALS_H
#define WATCHDOG_WATCHDOG_CREDENTIALS_H

#include "aws/aws_credentials.h"

/* The "credential" member of a control message, with its name: appended in front of it must be a comma or
 * brace. */
must_check result watchdog_credentials_member(struct secret *ret_json,
                                              const struct aws_credentials *credentials);

/* An inotify descriptor on the file's folder, non-blocking: a file that is replaced by rename is noticed too.
 */
must_check result watchdog_credentials_watch(int *ret_fd, const char *path);
/* Empties the descriptor; true when one of the events was about the file. */
bool watchdog_credentials_changed(int fd, const char *path);

#endif
