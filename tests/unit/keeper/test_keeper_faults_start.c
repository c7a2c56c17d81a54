/* test_keeper_faults_start.c - what a keeper needs before it serves, refused by the system, OpenSSL, the NSM or
 * the store: it does not start, or refuses the policy, and says why. */
#include "keeper_cloud.h"
#include "keeper_courier.h"
#include "keeper_faults.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/file_io.h"

/* ---- what the keeper logs ---- */

static int own_stderr = -1;

static void log_path(char out[static 128], const struct rig *rig)
{
    (void)snprintf(out, 128, "%s/log", rig->folder);
}

static void begin_log(const struct rig *rig)
{
    char path[128];
    log_path(path, rig);
    AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    own_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    assert_true(fd >= 0 && own_stderr >= 0);
    assert_true(dup2(fd, STDERR_FILENO) >= 0);
}

static void end_log(void)
{
    assert_true(dup2(own_stderr, STDERR_FILENO) >= 0);
    fd_auto_close(&own_stderr);
}

static void expect_logged(const struct rig *rig, const char *part)
{
    char path[128];
    AUTO(buffer) text = {0};
    log_path(path, rig);
    assert_ok(file_read(&text, path, 1 << 20));
    assert_ok(buffer_append(&text, "", 1));
    if (!strstr((const char *)text.data, part))
        fail_msg("expected \"%s\" in the log: %s", part, (const char *)text.data);
}

/* Starts, with what was asked to fail, and ends by itself. */
static void expect_no_start(struct rig *rig, const char *mode, const char *nsm, const char *part)
{
    begin_log(rig);
    rig_start(rig, mode, nsm);
    end_log();
    rig_expect_end(rig, 1);
    expect_logged(rig, part);
}

static int setup(void **state)
{
    if (rig_setup(state) != 0)
        return -1;
    faults_open(*state);
    return 0;
}

static int teardown(void **state)
{
    faults_close();
    return rig_teardown(state);
}

/* ---- start ---- */

static const struct {
    enum fault fault;
    int number;
    const char *text;
} starts[] = {
    {FAULT_sigprocmask, 1, "signals: Invalid argument"},
    {FAULT_sigaction, 1, "signals: Invalid argument"},
    {FAULT_sigaction, 2, "signals: Invalid argument"},
    {FAULT_sigaction, 3, "signals: Invalid argument"},
    {FAULT_process_harden, 1, "process_harden fails"},
    {FAULT_secret_openssl_wipes, 1, "secret_openssl_wipes fails"},
    {FAULT_OPENSSL_init_crypto, 1, "OpenSSL does not start"},
    {FAULT_secret_heap_open_up_to, 1, "secret_heap_open_up_to fails"},
    {FAULT_secret_new, 1, "secret_new fails"},
    {FAULT_calloc, 1, "out of memory"},
    {FAULT_bls_messages_new, 1, "bls_messages_new fails"},
    {FAULT_bls_batch_new, 1, "bls_batch_new fails"},
    {FAULT_bls_batch_new, 3, "bls_batch_new fails"},
    {FAULT_pthread_sigmask, 1, "signals cannot be blocked"},
    {FAULT_mmap, 1, "a thread's stack: Cannot allocate memory"},
    {FAULT_mprotect, 1, "a thread's stack: Cannot allocate memory"},
    {FAULT_madvise, 1, "a thread's stack: Invalid argument"},
    {FAULT_pthread_attr_init, 1, "a thread for signing cannot be made: Cannot allocate memory"},
    {FAULT_pthread_attr_setstack, 1, "a thread for signing cannot be made: Invalid argument"},
    {FAULT_pthread_create, 1, "a thread for signing cannot be made: Resource temporarily unavailable"},
    {FAULT_pthread_create, 3, "a thread for signing cannot be made: Resource temporarily unavailable"},
    {FAULT_fcntl, 1, "descriptor 3: Bad file descriptor"},
    {FAULT_ppoll, 1, "poll: Cannot allocate memory"},
};

static void nothing_starts_without_what_it_needs(void **state)
{
    struct rig *rig = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(starts); i++) {
        faults_fail(starts[i].fault, starts[i].number);
        print_message("%s\n", starts[i].text);
        expect_no_start(rig, "standalone", NULL, starts[i].text);
        assert_true(faults_stop(starts[i].fault));
    }
    rig->option = "--secure-heap-mib=8";
    faults_fail(FAULT_secret_heap_open, 1);
    expect_no_start(rig, "standalone", NULL, "secret_heap_open fails");
    assert_true(faults_stop(FAULT_secret_heap_open));
    rig->option = NULL;
    rig_boot(rig, 1); /* and with all of that it does */
    rig_stop(rig);
}

int main(void)
{
#define FAULTY(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        FAULTY(nothing_starts_without_what_it_needs),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
