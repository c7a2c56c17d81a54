/* test_keeper_faults_start.c - what a keeper needs before it serves, refused by the system, OpenSSL, the NSM
 * or the store: it does not start, or refuses the policy, and says why. */
#include "keeper_cloud.h"
#include "keeper_courier.h"
#include "keeper_faults.h"

#include <unistd.h>

/* Starts, with what was asked to fail, and ends by itself. */
static void expect_no_start(struct rig *rig, const char *mode, const char *nsm, const char *part)
{
    rig_begin_log(rig);
    rig_start(rig, mode, nsm);
    rig_end_log();
    rig_expect_end(rig, 1);
    rig_expect_logged(rig, part);
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
    {FAULT_secret_heap_open, 1, "secret_heap_open fails"},
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
    rig->option = "--secure-heap-mib=4"; /* then nothing is tried out before */
    for (size_t i = 0; i < ARRAY_LENGTH(starts); i++) {
        faults_fail(starts[i].fault, starts[i].number);
        expect_no_start(rig, "standalone", NULL, starts[i].text);
        assert_true(faults_stop(starts[i].fault));
    }
    rig->option = NULL;
    faults_fail(FAULT_secret_heap_open_up_to, 1);
    expect_no_start(rig, "standalone", NULL, "secret_heap_open_up_to fails");
    rig_boot(rig, 1); /* and with all of that it does */
    rig_stop(rig);
}

/* ---- the NSM and the policy ---- */

static const struct {
    enum fault fault;
    int number;
    const char *text;
} enclave_starts[] = {
    {FAULT_nsm_describe_pcr, 1, "nsm_describe_pcr fails"},
    {FAULT_nsm_describe_pcr, 2, "nsm_describe_pcr fails"},
    {FAULT_nsm_get_random, 1, "nsm_get_random fails"},
    {FAULT_pthread_create, 4, "cannot start a thread: Resource temporarily unavailable"},
    {FAULT_pthread_create, 5, "cannot start a thread: Resource temporarily unavailable"},
};

static void no_enclave_starts_without_its_nsm(void **state)
{
    struct rig *rig = *state;
    long threads = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 5 : 4; /* three that sign, and those for the RSA key */
    for (size_t i = 0; i < ARRAY_LENGTH(enclave_starts); i++) {
        if (enclave_starts[i].fault == FAULT_pthread_create && enclave_starts[i].number > threads)
            continue;
        faults_fail(enclave_starts[i].fault, enclave_starts[i].number);
        rig_begin_log(rig);
        cloud_start(rig);
        rig_end_log();
        rig_expect_end(rig, 1);
        rig_expect_logged(rig, enclave_starts[i].text);
        assert_true(faults_stop(enclave_starts[i].fault));
    }
}

static void one_processor_makes_the_key_as_well(void **state)
{
    struct rig *rig = *state;
    faults_fail(FAULT_sysconf, 7); /* those before are about the stacks of three threads */
    cloud_boot(rig);
    assert_true(faults_stop(FAULT_sysconf));
    rig_stop(rig);
}

static void refuse_policy(struct rig *rig, const char *part)
{
    struct ipc_policy_result answer = cloud_policy(rig);
    char text[IPC_TEXT_MAX + 1];
    (void)snprintf(text, sizeof text, "%.*s", (int)answer.text.length, (const char *)answer.text.data);
    if (answer.accepted || !strstr(text, part))
        fail_msg("expected \"%s\", got \"%s\"", part, text);
    assert_int_equal(cloud_status(rig).state, IPC_WAIT_STATE);
}

/* Each time nothing is accepted, and the next time goes on from there. */
static void a_policy_whose_measurement_fails_is_sent_again(void **state)
{
    struct rig *rig = *state;
    static const struct {
        enum fault fault;
        int number;
    } steps[] = {{FAULT_policy_measure, 1},      {FAULT_nsm_describe_pcr, 1}, {FAULT_nsm_extend_pcr, 1},
                 {FAULT_nsm_lock_pcr, 1},        {FAULT_nsm_describe_pcr, 2}, {FAULT_nsm_describe_pcr, 1},
                 {FAULT_keeper_sandbox_enter, 1}};
    cloud_start(rig);
    for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
        faults_fail(steps[i].fault, steps[i].number);
        refuse_policy(rig, " fails");
        assert_true(faults_stop(steps[i].fault));
    }
    assert_true(cloud_policy(rig).accepted);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
    assert_true(cloud_policy(rig).accepted); /* the same once more is no other */
    rig->policy.log_level = LOG_LEVEL_ERROR;
    struct ipc_policy_result other = cloud_policy(rig);
    assert_false(other.accepted);
    assert_non_null(memmem(other.text.data, other.text.length, "another policy is in force already", 34));
    rig->policy.far_future_epochs++; /* of the same length */
    rig->policy.log_level = LOG_LEVEL_DEBUG;
    assert_false(cloud_policy(rig).accepted);
    assert_int_equal(cloud_status(rig).state, IPC_ATTEST_STATE);
    rig_stop(rig);
}

static void a_register_with_another_policy_stays_with_it(void **state)
{
    struct rig *rig = *state;
    cloud_start(rig);
    faults_fail(FAULT_nsm_lock_pcr, 1); /* extended already */
    refuse_policy(rig, "nsm_lock_pcr fails");
    rig->policy.far_future_epochs++;
    refuse_policy(rig, "PCR16 holds another policy already");
    rig->policy.far_future_epochs--;
    assert_true(cloud_policy(rig).accepted);
    rig_stop(rig);
}

static void an_nsm_that_does_not_lock_is_not_believed(void **state)
{
    struct rig *rig = *state;
    cloud_start(rig);
    faults_bend(FAULT_nsm_lock_pcr, 1, E_NONE);
    refuse_policy(rig, "the NSM did not lock PCR16");
    assert_true(cloud_policy(rig).accepted);
    rig_stop(rig);
}

/* Locked, but read back as something else. */
static void an_nsm_that_forgets_is_not_believed(void **state)
{
    struct rig *rig = *state;
    cloud_start(rig);
    (void)cloud_status(rig); /* its start has read two registers */
    faults_fail(FAULT_nsm_describe_pcr, 2);
    refuse_policy(rig, "nsm_describe_pcr fails");
    faults_bend(FAULT_nsm_describe_pcr, 2, E_NONE); /* what was read at the start is left: zeros */
    refuse_policy(rig, "the NSM did not lock PCR16");
    faults_fail(FAULT_nsm_lock_pcr, 1);
    assert_true(cloud_policy(rig).accepted);
    assert_false(faults_stop(FAULT_nsm_lock_pcr)); /* what is locked is not locked again */
    rig_stop(rig);
}

static void without_an_rsa_key_no_policy_is_accepted(void **state)
{
    struct rig *rig = *state;
    static const enum fault faults[] = {FAULT_EVP_PKEY_CTX_new_from_name, FAULT_EVP_PKEY_keygen_init,
                                        FAULT_EVP_PKEY_CTX_set_rsa_keygen_bits, FAULT_EVP_PKEY_generate};
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        faults_fail_all(faults[i]);
        cloud_start(rig);
        refuse_policy(rig, "no RSA key could be made");
        assert_true(faults_stop(faults[i]));
        rig_stop(rig);
    }
}

/* ---- documents, and the RSA key on its way to the loader ---- */

static void expect_no_document(struct rig *rig, enum ipc_attest_purpose purpose)
{
    uint8_t packet[64];
    struct ipc_bytes document;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_attest(&p, &(struct ipc_attest){purpose, {(const uint8_t *)"nonce", 5}});
    rig_send(rig->courier, &p);
    rig_expect(rig, rig->courier, IPC_DOCUMENT);
    assert_ok(ipc_take_bytes_message(&document, &rig->message, ATTESTATION_DOCUMENT_MAX));
    assert_int_equal(document.length, 0);
}

static void a_document_that_cannot_be_made_is_empty(void **state)
{
    struct rig *rig = *state;
    struct attestation attestation;
    static const struct {
        enum fault fault;
        int number;
        enum ipc_attest_purpose purpose;
    } faults[] = {{FAULT_i2d_PUBKEY, 1, IPC_ATTEST_RECIPIENT},    {FAULT_nsm_attest, 1, IPC_ATTEST_RECIPIENT},
                  {FAULT_nsm_attest, 1, IPC_ATTEST_IDENTITY},     {FAULT_calloc, 1, IPC_ATTEST_IDENTITY},
                  {FAULT_buffer_reserve, 1, IPC_ATTEST_IDENTITY}, {FAULT_EVP_Digest, 1, IPC_ATTEST_IDENTITY},
                  {FAULT_EVP_Digest, 2, IPC_ATTEST_IDENTITY}};
    cloud_boot(rig);
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        faults_fail(faults[i].fault, faults[i].number);
        expect_no_document(rig, faults[i].purpose);
        assert_true(faults_stop(faults[i].fault));
        cloud_attest(rig, &attestation, faults[i].purpose, "");
    }
    rig_stop(rig);
}

static void want_identity(struct rig *rig)
{
    uint8_t packet[64];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_bytes_message(&p, IPC_IDENTITY_WANTED, (struct ipc_bytes){(const uint8_t *)"nonce", 5});
    rig_send(rig->front, &p);
}

static uint32_t take_identity(struct rig *rig)
{
    struct ipc_bytes document;
    rig_expect(rig, rig->front, IPC_IDENTITY);
    assert_ok(ipc_take_bytes_message(&document, &rig->message, IPC_DOCUMENT_MAX));
    return document.length;
}

/* It rests for nine times as long as it took: longer than a client waits. */
static void a_slow_nsm_is_spared(void **state)
{
    struct rig *rig = *state;
    cloud_boot(rig);
    cloud_first_load(rig, 0, 1);
    faults_delay(FAULT_nsm_attest, 300);
    want_identity(rig);
    assert_int_not_equal(take_identity(rig), 0);
    assert_true(faults_stop(FAULT_nsm_attest));
    want_identity(rig);
    assert_int_equal(take_identity(rig), 0);
    assert_int_equal(rig_sign_one(rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    rig_stop(rig);
}

/* LOAD_BEGIN that fails: the courier ends its records in vain, and is told why. */
static void expect_no_load(struct rig *rig, const char *part)
{
    uint8_t packet[16];
    char text[IPC_TEXT_MAX + 1];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_load_begin(&p, false);
    rig_send(rig->courier, &p);
    rig_expect_state(rig, IPC_LOAD_STATE, 0, 0);
    p = (struct packer){.data = packet, .capacity = sizeof packet};
    ipc_pack_load_end(&p, 0);
    rig_send(rig->courier, &p);
    struct ipc_load_result answer = cloud_load_result(rig);
    (void)snprintf(text, sizeof text, "%.*s", (int)answer.text.length, (const char *)answer.text.data);
    if (answer.ok || !strstr(text, part))
        fail_msg("expected \"%s\", got \"%s\"", part, text);
}

/* No loader was asked for, or one that is let go. */
static void dismiss_loader(struct rig *rig, bool was_started)
{
    size_t length = 0;
    if (was_started) {
        rig_take_loader(rig);
        assert_fails(E_PEER, ipc_receive(rig->loader, rig->packet, &length, NULL));
    }
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
}

static void without_a_loader_that_has_the_rsa_key_there_is_no_load(void **state)
{
    struct rig *rig = *state;
    static const struct {
        enum fault fault;
        int number;
        bool is_started;
        const char *text;
    } faults[] = {{FAULT_keeper_keys_new, 1, false, "keeper_keys_new fails"},
                  {FAULT_socketpair, 1, false, "no socket pair"},
                  {FAULT_OSSL_ENCODER_CTX_new_for_pkey, 1, true, "the RSA key cannot be encoded"},
                  {FAULT_BIO_new, 1, true, "the RSA key cannot be encoded"},
                  {FAULT_OSSL_ENCODER_to_bio, 1, true, "the RSA key cannot be encoded"},
                  {FAULT_BIO_ctrl, 1, true, "the RSA key has an impossible encoding"},
                  {FAULT_secret_copy, 1, true, "secret_copy fails"},
                  {FAULT_secret_new, 1, true, "secret_new fails"}};
    cloud_boot(rig);
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        faults_fail(faults[i].fault, faults[i].number);
        expect_no_load(rig, faults[i].text);
        dismiss_loader(rig, faults[i].is_started);
        assert_true(faults_stop(faults[i].fault));
    }
    faults_bend(FAULT_BIO_ctrl, 1, IPC_POLICY_MAX + 1);
    expect_no_load(rig, "the RSA key has an impossible encoding");
    dismiss_loader(rig, true);
    cloud_first_load(rig, 0, 1);
    rig_stop(rig);
}

int main(void)
{
#define FAULTY(function) cmocka_unit_test_setup_teardown(function, faults_setup, faults_teardown)
#define ENCLAVE(function)                                                                                    \
    cmocka_unit_test_setup_teardown(function, faults_setup_enclave, faults_teardown_enclave)
    const struct CMUnitTest tests[] = {
        FAULTY(nothing_starts_without_what_it_needs),
        ENCLAVE(no_enclave_starts_without_its_nsm),
        ENCLAVE(one_processor_makes_the_key_as_well),
        ENCLAVE(a_policy_whose_measurement_fails_is_sent_again),
        ENCLAVE(a_register_with_another_policy_stays_with_it),
        ENCLAVE(an_nsm_that_does_not_lock_is_not_believed),
        ENCLAVE(an_nsm_that_forgets_is_not_believed),
        ENCLAVE(without_an_rsa_key_no_policy_is_accepted),
        ENCLAVE(a_document_that_cannot_be_made_is_empty),
        ENCLAVE(a_slow_nsm_is_spared),
        ENCLAVE(without_a_loader_that_has_the_rsa_key_there_is_no_load),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
