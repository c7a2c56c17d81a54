/* test_keeper_enclave.c - the policy is measured before anything is attested, and what the documents say is
 * verified against the stand-in's root. */
#include "keeper_cloud.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file_io.h"
#include "policy/policy_access.h"
#include "slashing/slashing_attested.h"
#include "slashing/slashing_codec.h"

/* AWS's formula for PCR0 over the keeper's executable, which is what this enclave consists of. */
static void expected_pcr0(uint8_t out[static 48])
{
    char path[4096];
    AUTO(buffer) image = {0};
    uint8_t both[96] = {0};
    (void)snprintf(path, sizeof path, "%s/nitro-signer-keeper", getenv("NS_BIN_DIR"));
    assert_ok(file_read(&image, path, 64 << 20));
    (void)SHA384(image.data, image.length, both + 48);
    (void)SHA384(both, sizeof both, out);
}

static void the_policy_is_measured_and_locked(void **state)
{
    struct rig *rig = *state;
    uint8_t pcr0[48], pcr16[48];
    static const uint8_t zero[48];
    cloud_start(rig);
    struct ipc_status status = cloud_status(rig);
    expected_pcr0(pcr0);
    assert_int_equal(status.state, IPC_WAIT_STATE);
    assert_memory_equal(status.pcr0, pcr0, 48);
    assert_memory_equal(status.pcr16, zero, 48);

    assert_true(cloud_policy(rig).accepted);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
    status = cloud_status(rig);
    assert_ok(policy_measure(pcr16, (const char *)rig->policy_text.data, rig->policy_text.length));
    assert_int_equal(status.state, IPC_ATTEST_STATE);
    assert_memory_equal(status.pcr16, pcr16, 48);

    assert_true(cloud_policy(rig).accepted); /* the same again */
    rig->policy.log_level = LOG_LEVEL_WARN;
    struct ipc_policy_result refusal = cloud_policy(rig);
    assert_false(refusal.accepted);
    assert_true(refusal.text.length > 0);
    status = cloud_status(rig);
    assert_memory_equal(status.pcr16, pcr16, 48);
    rig_stop(rig);
}

/* What is refused leaves no trace: the right policy can still be sent. */
static void a_refused_policy_can_be_corrected(void **state)
{
    struct rig *rig = *state;
    static const uint8_t zero[48];
    struct policy right = rig->policy;
    struct ipc_policy_result refused;
    cloud_start(rig);
    rig->policy.slashing_protection = false;
    assert_ok(policy_set_store(&rig->policy, "none"));
    assert_false(cloud_policy(rig).accepted);
    rig->policy = right;
    assert_ok(policy_set_store(&rig->policy, "dynamodb:table"));
    refused = cloud_policy(rig);
    assert_false(refused.accepted);
    assert_non_null(memmem(refused.text.data, refused.text.length, "store_identity: ", 16));
    rig->policy.has_store_identity = true;
    refused = cloud_policy(rig);
    assert_false(refused.accepted);
    static const char no_account[] = "store: must name the table's AWS account";
    assert_non_null(memmem(refused.text.data, refused.text.length, no_account, sizeof no_account - 1));
    rig->policy = right;
    assert_ok(policy_set_store(&rig->policy, "sqlite:/nonexistent/folder/file"));
    assert_false(cloud_policy(rig).accepted);
    struct ipc_status status = cloud_status(rig);
    assert_int_equal(status.state, IPC_WAIT_STATE);
    assert_memory_equal(status.pcr16, zero, 48);
    rig->policy = right;
    assert_true(cloud_policy(rig).accepted);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
    rig_stop(rig);
}

static bool is_refused_over(const struct ipc_policy_result *answer, const char *text)
{
    return !answer->accepted && memmem(answer->text.data, answer->text.length, text, strlen(text));
}

/* The longest that fits, a byte more than anybody reads of it being changed. */
static void only_the_pinned_access_document_is_accepted(void **state)
{
    struct rig *rig = *state;
    static char document[POLICY_ACCESS_MAX], other[POLICY_ACCESS_MAX];
    memset(document, 'x', sizeof document);
    memcpy(other, document, sizeof other);
    other[sizeof other - 1] = 'y';
    assert_ok(policy_set_access(&rig->policy, document, sizeof document));
    cloud_boot(rig);
    struct ipc_policy_result answer = cloud_access(rig, other, sizeof other);
    assert_true(is_refused_over(&answer, "access: is not the document"));
    answer = cloud_access(rig, document, sizeof document - 1);
    assert_true(is_refused_over(&answer, "access: is not the document"));
    assert_true(cloud_access(rig, document, sizeof document).accepted);
    assert_true(cloud_access(rig, document, sizeof document).accepted); /* the same again */
    answer = cloud_access(rig, other, sizeof other);
    assert_true(is_refused_over(&answer, "access: is not the document"));
    cloud_load_begin(rig, false);
    cloud_records(rig, 2);
    cloud_load_tls(rig);
    rig_load_keys(rig, 0, 1);
    rig_loader_end(rig, 1, 0);
    struct ipc_bytes passed_on;
    rig_expect(rig, rig->front, IPC_SETTINGS);
    rig_expect(rig, rig->front, IPC_ACCESS); /* before the TLS key */
    assert_ok(ipc_take_bytes_message(&passed_on, &rig->message, IPC_ACCESS_MAX));
    assert_int_equal(passed_on.length, sizeof document);
    assert_memory_equal(passed_on.data, document, sizeof document);
    rig_expect(rig, rig->front, IPC_TLS);
    rig_stop(rig);
}

/* A courier that leaves it out, or says so only, gets no key loaded. */
static void no_load_before_the_access_document(void **state)
{
    struct rig *rig = *state;
    uint8_t packet[16];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    assert_ok(policy_set_access(&rig->policy, "document", 8));
    cloud_boot(rig);
    assert_false(cloud_access(rig, "Document", 8).accepted);
    ipc_pack_load_begin(&p, false);
    rig_send(rig->courier, &p);
    rig_expect_end(rig, 1);
}

static void any_takes_no_access_document(void **state)
{
    struct rig *rig = *state;
    cloud_boot(rig);
    struct ipc_policy_result answer = cloud_access(rig, "document", 8);
    assert_true(is_refused_over(&answer, "the policy says any"));
    cloud_first_load(rig, 0, 1);
    rig_stop(rig);
}

static void documents_bind_the_recipient_key(void **state)
{
    struct rig *rig = *state;
    static struct attestation document, second;
    uint8_t pcr0[48], pcr16[48];
    cloud_boot(rig);
    expected_pcr0(pcr0);
    assert_ok(policy_measure(pcr16, (const char *)rig->policy_text.data, rig->policy_text.length));
    cloud_attest(rig, &document, IPC_ATTEST_RECIPIENT, "a nonce");
    assert_memory_equal(document.pcr[0], pcr0, 48);
    assert_true(document.pcr_present & 1u << 16);
    assert_memory_equal(document.pcr[16], pcr16, 48);
    assert_true(document.public_key.present);
    assert_false(document.user_data.present);
    cloud_attest(rig, &second, IPC_ATTEST_RECIPIENT, "");
    assert_int_equal(second.public_key.length, document.public_key.length);
    assert_memory_equal(second.public_key.bytes, document.public_key.bytes, document.public_key.length);

    /* The loader gets the private half of that very key. */
    cloud_load_begin(rig, false);
    struct ipc_bytes der;
    assert_ok(ipc_take_bytes_message(&der, &rig->message, IPC_POLICY_MAX));
    const unsigned char *at = der.data;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.length);
    assert_non_null(info);
    EVP_PKEY *key = EVP_PKCS82PKEY(info);
    assert_non_null(key);
    unsigned char *spki = NULL;
    assert_int_equal(i2d_PUBKEY(key, &spki), (int)document.public_key.length);
    assert_memory_equal(spki, document.public_key.bytes, document.public_key.length);
    assert_int_equal(EVP_PKEY_get_bits(key), 2048);
    OPENSSL_free(spki);
    EVP_PKEY_free(key);
    PKCS8_PRIV_KEY_INFO_free(info);
    rig_stop(rig);
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, 48);
}

static void the_identity_covers_the_tls_key_and_the_validators_keys(void **state)
{
    struct rig *rig = *state;
    static struct attestation document;
    struct slashing_attested found;
    uint8_t text[3 * 48], digest[32], none[3 * SLASHING_RECORD_BYTES] = {0};
    cloud_boot(rig);
    cloud_first_load(rig, 0, 3);
    for (uint32_t i = 0; i < 3; i++)
        memcpy(text + (size_t)i * 48, rig_pubkey(i), 48);
    qsort(text, 3, 48, compare_keys);
    (void)SHA256(text, sizeof text, digest);
    cloud_attest(rig, &document, IPC_ATTEST_IDENTITY, "who are you");
    assert_false(document.public_key.present);
    assert_ok(slashing_attested_decode(&found, document.user_data.bytes, document.user_data.length));
    assert_memory_equal(found.tls_key, CLOUD_SPKI_DIGEST, 32);
    assert_memory_equal(found.public_keys, digest, 32);
    assert_int_equal(found.num_validators, 3);
    assert_true(found.generation == 0 && found.highest_epoch == 0 && found.highest_slot == 0);
    (void)SHA256(none, sizeof none, digest);
    assert_memory_equal(found.records, digest, 32);
    rig_stop(rig);
}

/* In ascending order of key, whatever the order of loading. */
static void the_identity_tells_the_protection_state(void **state)
{
    struct rig *rig = *state;
    static struct attestation document;
    struct slashing_attested found;
    uint8_t text[3 * SLASHING_RECORD_BYTES], digest[32];
    uint32_t order[3] = {0, 1, 2};
    cloud_boot(rig);
    cloud_first_load(rig, 0, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(rig_sign_one(rig, rig_vote(i, i, 10 + i, 1)).status, IPC_ANSWER_SIGNED);
        for (uint32_t j = i; j > 0 && memcmp(rig_pubkey(order[j]), rig_pubkey(order[j - 1]), 48) < 0; j--) {
            uint32_t swapped = order[j];
            order[j] = order[j - 1];
            order[j - 1] = swapped;
        }
    }
    assert_int_equal(rig_sign_one(rig, rig_block(1, 77, 1)).status, IPC_ANSWER_SIGNED);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t key = order[i];
        struct eth2_order vote = rig_vote(key, key, 10 + key, 1), block = rig_block(key, 77, 1);
        struct slashing_record record = {.has_attestation = true,
                                         .source_epoch = key,
                                         .target_epoch = 10 + key,
                                         .attestation_has_root = true};
        assert_ok(eth2_order_signing_root(record.attestation_root, &rig->policy.network, &vote));
        record.has_block = record.block_has_root = key == 1;
        record.block_slot = 77;
        assert_ok(eth2_order_signing_root(record.block_root, &rig->policy.network, &block));
        slashing_record_encode(text + (size_t)i * SLASHING_RECORD_BYTES, &record);
    }
    (void)SHA256(text, sizeof text, digest);
    cloud_attest(rig, &document, IPC_ATTEST_IDENTITY, "how far are you");
    assert_ok(slashing_attested_decode(&found, document.user_data.bytes, document.user_data.length));
    assert_memory_equal(found.records, digest, 32);
    assert_int_equal(found.highest_epoch, 12);
    assert_int_equal(found.highest_slot, 77);
    rig_stop(rig);
}

static void want_identity(struct rig *rig, const char *nonce, uint32_t nonce_len)
{
    uint8_t packet[128];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_bytes_message(&p, IPC_IDENTITY_WANTED, (struct ipc_bytes){(const uint8_t *)nonce, nonce_len});
    rig_send(rig->front, &p);
}

static void expect_identity(struct rig *rig, const char *nonce, uint32_t nonce_len)
{
    static struct attestation document;
    struct ipc_bytes bytes;
    rig_expect(rig, rig->front, IPC_IDENTITY);
    assert_ok(ipc_take_bytes_message(&bytes, &rig->message, IPC_DOCUMENT_MAX));
    cloud_verify(&document, bytes);
    assert_int_equal(document.nonce.length, nonce_len);
    assert_memory_equal(document.nonce.bytes, nonce, nonce_len);
    assert_int_equal(document.user_data.length, SLASHING_ATTESTED_BYTES);
}

/* Any client may ask: the second waits until the NSM has rested, and signing goes on meanwhile. */
static void clients_get_documents_with_a_pause_between(void **state)
{
    struct rig *rig = *state;
    static const char longest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    cloud_boot(rig);
    cloud_first_load(rig, 0, 1);
    uint64_t began = clock_monotonic_ns();
    want_identity(rig, "", 1); /* a byte of zero */
    expect_identity(rig, "", 1);
    want_identity(rig, longest, 64);
    assert_int_equal(rig_sign_one(rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    expect_identity(rig, longest, 64);
    assert_true(clock_monotonic_ns() - began >= UINT64_C(200000000));
    rig_stop(rig);
}

static void a_front_that_wants_two_documents_at_once_ends_it(void **state)
{
    struct rig *rig = *state;
    cloud_boot(rig);
    cloud_first_load(rig, 0, 1);
    want_identity(rig, "first", 5);
    expect_identity(rig, "first", 5);
    /* The second waits for the pause to end. There are more, all there at once, should the pause be over by
     * then. */
    assert_int_equal(kill(rig->pid, SIGSTOP), 0);
    for (int i = 0; i < 8; i++)
        want_identity(rig, "second", 6);
    assert_int_equal(kill(rig->pid, SIGCONT), 0);
    rig_expect_end(rig, 1);
}

static void a_nonce_of_a_client_has_its_length(void **state)
{
    struct rig *rig = *state;
    static const char too_long[65] = "x";
    cloud_boot(rig);
    cloud_first_load(rig, 0, 1);
    want_identity(rig, too_long, sizeof too_long);
    rig_expect_end(rig, 1);
}

static void without_nsm_a_client_gets_no_document(void **state)
{
    struct rig *rig = *state;
    struct ipc_bytes document;
    cloud_boot(rig);
    cloud_first_load(rig, 0, 1);
    cloud_stop();
    want_identity(rig, "nonce", 5);
    rig_expect(rig, rig->front, IPC_IDENTITY);
    assert_ok(ipc_take_bytes_message(&document, &rig->message, 0));
    assert_int_equal(document.length, 0);
    assert_int_equal(rig_sign_one(rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    rig_stop(rig);
}

/* Whether bytes stand anywhere in a mapping of the keeper that is not locked in memory. */
static bool is_in_ordinary_memory(struct rig *rig, const uint8_t *bytes, size_t bytes_len)
{
    char path[64], line[512];
    (void)snprintf(path, sizeof path, "/proc/%d/smaps", (int)rig->pid);
    FILE *maps = fopen(path, "re");
    (void)snprintf(path, sizeof path, "/proc/%d/mem", (int)rig->pid);
    int memory = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(maps && memory >= 0);
    unsigned long low = 0, high = 0, from, to;
    bool found = false;
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx r", &from, &to) == 2 && strchr(line, '-')) {
            low = from;
            high = to;
        }
        if (strncmp(line, "VmFlags:", 8) != 0 || strstr(line, " lo") || !strstr(line, " wr"))
            continue;
        AUTO(buffer) content = {0};
        assert_ok(buffer_reserve(&content, high - low));
        ssize_t length = pread(memory, content.data, high - low, (off_t)low);
        found = found || (length > 0 && memmem(content.data, (size_t)length, bytes, bytes_len));
    }
    (void)fclose(maps);
    (void)close(memory);
    return found;
}

/* The first half of the number at the end of the key's encoding (the coefficient), in both orders of bytes.
 */
static void the_recipient_key_is_in_locked_memory_only(void **state)
{
    struct rig *rig = *state;
    struct ipc_bytes der;
    cloud_boot(rig);
    cloud_load_begin(rig, false);
    assert_ok(ipc_take_bytes_message(&der, &rig->message, IPC_POLICY_MAX));
    uint8_t forward[64], backward[64];
    memcpy(forward, der.data + der.length - sizeof forward, sizeof forward);
    for (size_t i = 0; i < sizeof forward; i++)
        backward[i] = forward[sizeof forward - 1 - i];
    bool searchable = geteuid() == 0; /* nobody else may read the memory of a process that is not dumpable */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    searchable = false; /* they keep freed blocks, and reserve more than can be read */
#endif
    if (searchable) {
        assert_false(is_in_ordinary_memory(rig, forward, sizeof forward));
        assert_false(is_in_ordinary_memory(rig, backward, sizeof backward));
        /* The search does find what is there: the policy. */
        assert_true(is_in_ordinary_memory(rig, rig->policy_text.data, rig->policy_text.length));
    }
    rig_kill(rig);
}

static void without_nsm_there_is_no_document(void **state)
{
    struct rig *rig = *state;
    uint8_t packet[64];
    struct ipc_bytes document;
    cloud_boot(rig);
    cloud_stop();
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_attest(&p, &(struct ipc_attest){.purpose = IPC_ATTEST_RECIPIENT});
    rig_send(rig->courier, &p);
    rig_expect(rig, rig->courier, IPC_DOCUMENT);
    assert_ok(ipc_take_bytes_message(&document, &rig->message, 0));
    assert_int_equal(document.length, 0);
    rig_stop(rig);
    cloud_start(rig);
    rig_expect_end(rig, 1); /* and nothing starts without one */
}

static void a_supervisor_has_no_policy_for_an_enclave(void **state)
{
    struct rig *rig = *state;
    cloud_start(rig);
    AUTO(buffer) text = {0};
    struct packer p = {.data = rig->packet, .capacity = sizeof rig->packet};
    assert_ok(policy_format(&text, &rig->policy));
    ipc_pack_bytes_message(&p, IPC_POLICY, (struct ipc_bytes){text.data, (uint32_t)text.length});
    rig_send(rig->supervisor, &p);
    rig_expect_end(rig, 1);
}

int main(void)
{
#define CLOUD_TEST(function) cmocka_unit_test_setup_teardown(function, cloud_setup, cloud_teardown)
    const struct CMUnitTest tests[] = {
        CLOUD_TEST(the_policy_is_measured_and_locked),
        CLOUD_TEST(a_refused_policy_can_be_corrected),
        CLOUD_TEST(only_the_pinned_access_document_is_accepted),
        CLOUD_TEST(no_load_before_the_access_document),
        CLOUD_TEST(any_takes_no_access_document),
        CLOUD_TEST(documents_bind_the_recipient_key),
        CLOUD_TEST(the_identity_covers_the_tls_key_and_the_validators_keys),
        CLOUD_TEST(the_identity_tells_the_protection_state),
        CLOUD_TEST(clients_get_documents_with_a_pause_between),
        CLOUD_TEST(a_front_that_wants_two_documents_at_once_ends_it),
        CLOUD_TEST(a_nonce_of_a_client_has_its_length),
        CLOUD_TEST(without_nsm_a_client_gets_no_document),
        CLOUD_TEST(the_recipient_key_is_in_locked_memory_only),
        CLOUD_TEST(without_nsm_there_is_no_document),
        CLOUD_TEST(a_supervisor_has_no_policy_for_an_enclave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
