/* test_notify.c - notices on a socket of the test's own, read or not. */
#include "testing.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "process/process_notify.h"

/* A bound socket, named in NOTIFY_SOCKET; '@' for the abstract name space. */
static int open_manager(char first, char path[static 64])
{
    (void)snprintf(path, 64, "%c%s-%d", first, first == '@' ? "ns-notify" : "tmp/ns-notify", (int)getpid());
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    if (first == '@')
        address.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + (first == '/'));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    return fd;
}

static void test_a_notice_arrives(void **state)
{
    (void)state;
    for (const char *first = "/@"; *first; first++) {
        char path[64], text[2 * PROCESS_NOTICE_MAX] = {0}, longest[2 * PROCESS_NOTICE_MAX];
        AUTO_FD manager = open_manager(*first, path);
        process_notify("READY=1\nSTATUS=%d keys", 7);
        assert_int_equal(recv(manager, text, sizeof text, 0), 21);
        assert_string_equal(text, "READY=1\nSTATUS=7 keys");
        memset(longest, 'x', sizeof longest);
        longest[sizeof longest - 1] = 0;
        process_notify("%s", longest);
        assert_int_equal(recv(manager, text, sizeof text, 0), PROCESS_NOTICE_MAX);
        if (*first == '/')
            (void)unlink(path);
    }
}

static void test_nobody_is_waited_for(void **state)
{
    (void)state;
    char path[64], text[64];
    AUTO_FD manager = open_manager('@', path);
    for (int i = 0; i < 2000; i++)
        process_notify("STATUS=%d", i); /* a test that hangs here is ended by ctest's limit */
    int received = 0;
    while (recv(manager, text, sizeof text, 0) > 0)
        received++;
    assert_in_range(received, 1, 1999);
    process_notify("STATUS=room again");
    assert_int_equal(recv(manager, text, sizeof text, 0), 17);
}

static void test_nowhere_to_send_to(void **state)
{
    (void)state;
    char too_long[200];
    memset(too_long, '/', sizeof too_long);
    too_long[sizeof too_long - 1] = 0;
    const char *const names[] = {"", "/", "@", "relative", "/nonexistent/socket", "vsock:2:1", too_long};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
        process_notify("READY=1");
    }
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    process_notify("READY=1");
}

int main(void)
{
    (void)alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_notice_arrives),
        cmocka_unit_test(test_nobody_is_waited_for),
        cmocka_unit_test(test_nowhere_to_send_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
