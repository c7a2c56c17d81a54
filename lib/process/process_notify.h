/* process_notify.h - telling the service manager how it goes: the protocol of sd_notify(3). Target
 * process_notify.
 */
#ifndef PROCESS_PROCESS_NOTIFY_H
#define PROCESS_PROCESS_NOTIFY_H

#include <stdint.h>

enum { PROCESS_NOTICE_MAX = 1024 };

/* Sends a notice made as by printf ("READY=1", "STATUS=..."; several are lines of one text) to the datagram
 * socket that NOTIFY_SOCKET names: a path, or a name in the abstract name space that begins with '@'. Never
 * waits: a notice that finds no room, no reader or no such variable is lost, and one longer than
 * PROCESS_NOTICE_MAX bytes is cut. */
void process_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How often the service manager wants to hear "WATCHDOG=1" at the latest, in microseconds
 * (sd_watchdog_enabled(3)); 0: it does not, or not from this process. */
uint64_t process_watchdog_us(void);

#endif
