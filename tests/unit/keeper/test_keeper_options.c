/* test_keeper_options.c - the keeper's command line and descriptors: what it does not start with, and that it
 * says which. And how much it logs. */
#include "keeper_rig.h"

#include <fcntl.h>
#include <unistd.h>

#include "policy/policy_access.h"
#include "process/process.h"

enum { FAILED = 1, USAGE = 2 };

/* Starts it with these words and descriptors; it ends by itself. */
static void expect_no_start(struct rig *rig, char *words[], const int *fds, size_t num_fds, int status,
                            const char *part)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/nitro-signer-keeper", getenv("NS_BIN_DIR"));
    char *argv[] = {path, words[0], words[0] ? words[1] : NULL, words[0] && words[1] ? words[2] : NULL, NULL};
    rig_begin_log(rig);
    assert_ok(process_start(&rig->pid, path, argv, fds, num_fds));
    rig_end_log();
    rig_expect_end(rig, status);
    rig_expect_logged(rig, part);
}

static void options_that_contradict_or_do_not_exist(void **state)
{
    static const struct {
        const char *words[3], *part;
    } wrong[] = {
        {{"--what=1"}, "--what"},
        {{"--mode=standalone", "word"}, "takes no arguments"},
        {{"--mode=both"}, "--mode: must be enclave or standalone"},
        {{"--mode=enclave", "--key-manager"}, "--key-manager: not in an enclave"},
        {{"--mode=enclave", "--extension-signing"}, "--extension-signing: not in an enclave"},
        {{"--mode=enclave", "--commit-boost"}, "--commit-boost: not in an enclave"},
        {{"--mode=standalone", "--secure-heap-mib=6"}, "--secure-heap-mib: must be a power of two"},
        {{"--mode=standalone", "--log-level=loud"}, "log level must be"},
        {{"--mode=standalone", "--log-format=smoke"}, "log format"},
        {{"--mode=standalone", "--signing-threads=17"}, "--signing-threads"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        char words[3][64], *given[3] = {NULL};
        for (size_t word = 0; word < 3 && wrong[i].words[word]; word++) {
            (void)snprintf(words[word], sizeof words[word], "%s", wrong[i].words[word]);
            given[word] = words[word];
        }
        expect_no_start(*state, given, NULL, 0, USAGE, wrong[i].part);
    }
}

static void descriptors_that_are_no_peers(void **state)
{
    static char standalone[] = "--mode=standalone", enclave[] = "--mode=enclave";
    char *alone[3] = {standalone}, *inside[3] = {enclave};
    int pairs[2][2];
    AUTO_FD file = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_ok(process_socketpair(pairs[0]));
    assert_ok(process_socketpair(pairs[1]));
    const int none[] = {file}, no_front[] = {pairs[0][1], file},
              no_courier[] = {pairs[0][1], pairs[1][1], file};
    expect_no_start(*state, alone, NULL, 0, FAILED, "descriptor 3 is not the supervisor's socket");
    expect_no_start(*state, alone, none, 1, FAILED, "descriptor 3 is not the supervisor's socket");
    expect_no_start(*state, alone, no_front, 2, FAILED, "descriptor 4 is not the front's socket");
    expect_no_start(*state, inside, no_courier, 2, FAILED, "descriptor 5 is not the courier's socket");
    expect_no_start(*state, alone, no_courier, 3, FAILED, "descriptor 5 is not the courier's socket");
    for (size_t i = 0; i < 2; i++) {
        (void)close(pairs[i][0]);
        (void)close(pairs[i][1]);
    }
}

/* A stream is no packets. */
static void a_stream_is_no_peer(void **state)
{
    static char standalone[] = "--mode=standalone";
    char *alone[3] = {standalone};
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    expect_no_start(*state, alone, &pipes[0], 1, FAILED, "descriptor 3 is not the supervisor's socket");
    (void)close(pipes[0]);
    (void)close(pipes[1]);
}

/* The policy can make it say less, not more. */
static void the_policy_lowers_the_log_level(void **state)
{
    struct rig *rig = *state;
    rig->log_level = "info";
    rig->policy.log_level = LOG_LEVEL_ERROR;
    rig_begin_log(rig);
    rig_boot(rig, 1);
    rig_end_log();
    fd_auto_close(&rig->front); /* its going is a warning */
    rig_expect_end(rig, 1);
    rig_expect_not_logged(rig, "state: serve");
    rig_expect_not_logged(rig, "front: ");
    rig->policy.log_level = LOG_LEVEL_DEBUG;
    rig_begin_log(rig);
    rig_boot(rig, 1);
    rig_end_log();
    fd_auto_close(&rig->front);
    rig_expect_end(rig, 1);
    rig_expect_logged(rig, "state: serve, 1 keys");
    rig_expect_logged(rig, "front: ");
}

/* As many threads as there are processors. */
static void it_starts_with_its_own_numbers(void **state)
{
    struct rig *rig = *state;
    rig->has_default_threads = true;
    rig_boot(rig, 1);
    struct eth2_order vote = rig_vote(0, 1, 2, 1);
    struct ipc_answer answer = rig_sign_one(rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    rig_stop(rig);
}

/* ---- policies that are not for this signer ---- */

static void expect_no_policy(struct rig *rig, const char *part)
{
    static uint8_t packet[IPC_PACKET_MAX];
    AUTO(buffer) text = {0};
    struct packer p = {.data = packet, .capacity = sizeof packet};
    rig_begin_log(rig);
    rig_start(rig, "standalone", NULL);
    rig_end_log();
    assert_ok(policy_format(&text, &rig->policy));
    ipc_pack_bytes_message(&p, IPC_POLICY, (struct ipc_bytes){text.data, (uint32_t)text.length});
    rig_send(rig->supervisor, &p);
    rig_expect_end(rig, 1);
    rig_expect_logged(rig, part);
}

static void stand_alone_no_policy_says_who_may_connect(void **state)
{
    struct rig *rig = *state;
    assert_ok(policy_set_access(&rig->policy, "{}", 2));
    expect_no_policy(rig, "access: must be any stand-alone");
}

static void a_store_across_a_network_needs_a_courier(void **state)
{
    struct rig *rig = *state;
    assert_ok(policy_set_store(&rig->policy, "postgresql"));
    expect_no_policy(rig, "store: one across a network needs a courier");
    assert_ok(policy_set_store(&rig->policy, "dynamodb:111122223333/table"));
    expect_no_policy(rig, "store: one across a network needs a courier");
}

int main(void)
{
#define RIG_TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        RIG_TEST(options_that_contradict_or_do_not_exist),
        RIG_TEST(descriptors_that_are_no_peers),
        RIG_TEST(a_stream_is_no_peer),
        RIG_TEST(the_policy_lowers_the_log_level),
        RIG_TEST(it_starts_with_its_own_numbers),
        RIG_TEST(stand_alone_no_policy_says_who_may_connect),
        RIG_TEST(a_store_across_a_network_needs_a_courier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
