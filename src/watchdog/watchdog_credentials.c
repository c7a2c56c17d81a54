/* watchdog_credentials.c - on an instance the file is kept fresh by whoever talks to the metadata
 * service; here it is only watched, and its contents go out with init and credentials. */
#include "watchdog_credentials.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* aws_credentials_new admits only printable ASCII; the two characters that JSON escapes are left to exclude.
 */
static must_check result check_plain(const char *name, const char *text)
{
    ENSURE(!strpbrk(text, "\"\\"), E_INPUT, "%s: must not contain quotes or backslashes", name);
    return RESULT_OK;
}

result watchdog_credentials_member(struct secret *ret_json, const struct aws_credentials *c)
{
    static const char format[] =
        "\"credential\":{\"access_key_id\":\"%s\",\"secret_access_key\":\"%s\",\"token\":\"%s\"}";
    const char *key = (const char *)c->secret_access_key.data;
    const char *token = c->session_token.length ? (const char *)c->session_token.data : "";
    TRY(check_plain("access_key_id", c->access_key_id));
    TRY(check_plain("secret_access_key", key));
    TRY(check_plain("token", token));

    AUTO(secret) json = {0};
    TRY(secret_new(&json, sizeof format + strlen(c->access_key_id) + c->secret_access_key.length +
                              c->session_token.length));
    int length = snprintf((char *)json.data, json.length + 1, format, c->access_key_id, key, token);
    ENSURE(length > 0 && (size_t)length <= json.length, E_INTERNAL, "the credential member does not fit");
    secret_truncate(&json, (size_t)length);
    *ret_json = json;
    json = (struct secret){0};
    return RESULT_OK;
}

result watchdog_credentials_watch(int *ret_fd, const char *path)
{
    char copy[PATH_MAX];
    int length = snprintf(copy, sizeof copy, "%s", path);
    ENSURE(length > 0 && (size_t)length < sizeof copy, E_INPUT, "--credentials: the path is too long");
    AUTO_FD fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    ENSURE(fd >= 0, E_IO, "inotify: %s", strerror(errno));
    const char *folder = dirname(copy);
    ENSURE(inotify_add_watch(fd, folder, IN_CLOSE_WRITE | IN_MOVED_TO) >= 0, E_IO, "%s: %s", folder,
           strerror(errno));
    *ret_fd = fd_take(&fd);
    return RESULT_OK;
}

bool watchdog_credentials_changed(int fd, const char *path)
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
