/* test_devcloud_nsm.c - the software NSM without its socket: answers compared byte for byte
 * with the vectors, and documents given to the verifier that reads AWS's. */
#include "testing.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/file_io.h"
#include "base/hex.h"
#include "base/secret.h"
#include "cbor/cbor.h"
#include "devcloud/devcloud_enclave.h"
#include "devcloud/devcloud_measure.h"
#include "devcloud/devcloud_nsm_message.h"
#include "nitro/nitro_attestation.h"

static struct devcloud_authority authority;
static struct devcloud_enclave enclave;
static uint8_t answer[NSM_RESPONSE_MAX];
static size_t answer_len;
static char state_dir[] = "/tmp/test_devcloud_nsm.XXXXXX";

static const struct devcloud_identity identity = {.pcr0 = {0x11},
                                                  .role_arn = "arn:aws:iam::123456789012:role/enclave",
                                                  .instance_id = "i-0123456789abcdef0"};

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(state_dir) && !devcloud_authority_open(&authority, state_dir).code ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char path[128];
    static const char *const files[] = {"nsm-root-key.der", "nsm-root.der"};
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", state_dir, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(state_dir);
    devcloud_authority_cleanup(&authority);
    return 0;
}

static int boot(void **state)
{
    (void)state;
    return devcloud_enclave_boot(&enclave, &identity).code;
}

static void read_vector(struct buffer *out, const char *name)
{
    char path[512], full[128];
    (void)snprintf(full, sizeof full, "nitro/SYNTHETIC/%s", name);
    vector_path(path, sizeof path, full);
    assert_ok(file_read(out, path, 65536));
}

static void ask(const void *request, size_t request_len)
{
    devcloud_enclave_answer(&enclave, answer, &answer_len, &authority, request, request_len);
}

static void assert_answers_as(const char *request_name, const char *response_name)
{
    AUTO(buffer) request = {0};
    AUTO(buffer) response = {0};
    read_vector(&request, request_name);
    read_vector(&response, response_name);
    ask(request.data, request.length);
    if (answer_len != response.length || memcmp(answer, response.data, answer_len) != 0)
        fail_msg("%s is not answered as %s", request_name, response_name);
}

static void assert_error(const void *request, size_t request_len, const char *name)
{
    uint8_t expected[64];
    struct packer p = {.data = expected, .capacity = sizeof expected};
    pack_bytes(&p,
               "\xa1\x65"
               "Error",
               7);
    pack_u8(&p, (uint8_t)(0x60 + strlen(name)));
    pack_bytes(&p, name, strlen(name));
    ask(request, request_len);
    if (answer_len != p.length || memcmp(answer, expected, answer_len) != 0)
        fail_msg("expected %s, got %.*s", name, (int)answer_len, (const char *)answer);
}

static void answers_are_those_of_the_vectors(void **state)
{
    (void)state;
    (void)snprintf(enclave.module_id, sizeof enclave.module_id, "i-0123456789abcdef0-enc0123456789abcdef");
    assert_answers_as("nsm_req_describe_nsm.cbor", "nsm_resp_describe_nsm.cbor");
    uint8_t describe_16[21];
    memcpy(describe_16,
           "\xa1\x6b"
           "DescribePCR\xa1\x65"
           "index\x10",
           sizeof describe_16);
    AUTO(buffer) zero = {0};
    read_vector(&zero, "nsm_resp_describe_pcr_16_zero.cbor");
    ask(describe_16, sizeof describe_16);
    assert_int_equal(answer_len, zero.length);
    assert_memory_equal(answer, zero.data, zero.length);
    assert_answers_as("nsm_req_extend_pcr_16.cbor", "nsm_resp_extend_pcr_16_hello.cbor");
    assert_answers_as("nsm_req_lock_pcr_16.cbor", "nsm_resp_lock_pcr.cbor");
    assert_answers_as("nsm_req_lock_pcr_16.cbor", "nsm_resp_error_readonly.cbor");
    assert_answers_as("nsm_req_extend_pcr_16.cbor", "nsm_resp_error_readonly.cbor");
    assert_answers_as("nsm_req_lock_pcrs_20.cbor", "nsm_resp_lock_pcrs.cbor");
    describe_16[20] = 0x17; /* one byte, but a register beyond the locked ones */
    ask(describe_16, sizeof describe_16);
    assert_int_equal(answer[19], 0xf4);
}

static void the_boot_registers_are_those_of_the_identity(void **state)
{
    (void)state;
    char hex[2 * NSM_PCR_LEN + 1];
    hex_encode(hex, enclave.pcrs.value[3], NSM_PCR_LEN);
    assert_string_equal(hex, "b1fd651ff7878eaff12dd954c8af010570acf204ad3c60b3832e3e8f109f2ce9"
                             "fa7e9ee8b3e848a415da9e8d720d7158");
    hex_encode(hex, enclave.pcrs.value[4], NSM_PCR_LEN);
    assert_string_equal(hex, "d6432900ac1c343cb40286898792c55e962aef0cc35c4910c0c286145b51af19"
                             "e782cb21cc31a042671d7dfbd398251c");
    assert_int_equal(enclave.pcrs.locked, 0xffff);
    assert_memory_equal(enclave.pcrs.value[0], identity.pcr0, NSM_PCR_LEN);
    struct devcloud_identity long_one = identity;
    long_one.instance_id = "i-01234567890123456789012345678901234567890123456789";
    assert_fails(E_INPUT, devcloud_enclave_boot(&enclave, &long_one));
}

static const struct {
    const char *hex, *name;
} wrong_requests[] = {
    {"", "InvalidOperation"},
    {"ff", "InvalidOperation"},
    {"00", "InvalidOperation"},
    {"a0", "InvalidOperation"},
    {"63466f6f", "InvalidOperation"},
    {"6b4465736372696265504352", "InvalidOperation"}, /* DescribePCR without fields */
    {"a16947657452616e646f6da0", "InvalidOperation"}, /* GetRandom with fields */
    {"6947657452616e646f6d00", "InvalidOperation"},   /* a byte behind */
    {"a16b4465736372696265504352f6", "InvalidArgument"},
    {"a16b4465736372696265504352a0", "InvalidArgument"},
    {"a16b4465736372696265504352a165696e64657820", "InvalidArgument"},         /* -1 */
    {"a16b4465736372696265504352a165696e6465781a00010000", "InvalidArgument"}, /* 65536 */
    {"a16b4465736372696265504352a16572616e676500", "InvalidArgument"},
    {"a16b4465736372696265504352a265696e6465780061780a", "InvalidArgument"},
    {"a16b4465736372696265504352a165696e646578181f", NULL},
    {"a16b4465736372696265504352a165696e6465781820", "InvalidIndex"},
    {"a16b4465736372696265504352a165696e64657819ffff", "InvalidIndex"},
    {"a1674c6f636b504352a165696e6465781820", "InvalidIndex"},
    {"a1674c6f636b504352a165696e64657800", "ReadOnlyIndex"},
    {"a1684c6f636b50435273a16572616e67651821", "InvalidIndex"},
    {"a1684c6f636b50435273a16572616e67651820", NULL},
    {"a169457874656e64504352a265696e646578182064646174614100", "InvalidIndex"},
    {"a169457874656e64504352a265696e646578181064646174616100", "InvalidArgument"}, /* text for bytes */
    {"a169457874656e64504352a265696e64657818106464617461f6", "InvalidArgument"},
    {"a16b4174746573746174696f6ea0", "InvalidArgument"},
    {"a16b4174746573746174696f6ea369757365725f64617461f6656e6f6e6365f66a7075626c69635f6b657940",
     "InvalidArgument"},
    {"a16b4174746573746174696f6ea369757365725f6461746100656e6f6e6365f66a7075626c69635f6b6579f6",
     "InvalidArgument"},
};

static void wrong_requests_have_their_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong_requests); i++) {
        uint8_t bytes[128];
        size_t length = strlen(wrong_requests[i].hex) / 2;
        assert_ok(hex_decode(bytes, length, wrong_requests[i].hex, 2 * length));
        if (wrong_requests[i].name) {
            assert_error(bytes, length, wrong_requests[i].name);
        } else {
            ask(bytes, length);
            assert_memory_not_equal(answer,
                                    "\xa1\x65"
                                    "Error",
                                    7);
        }
    }
}

static void pack_attestation(struct packer *p, const size_t lengths[3])
{
    static const char *const names[] = {"user_data", "nonce", "public_key"};
    static uint8_t bytes[2000];
    memset(bytes, 0xb5, sizeof bytes);
    cbor_pack_map(p, 1);
    cbor_pack_text(p, "Attestation");
    cbor_pack_map(p, 3);
    for (size_t i = 0; i < 3; i++) {
        cbor_pack_text(p, names[i]);
        if (lengths[i])
            cbor_pack_bytes(p, bytes, lengths[i]);
        else
            cbor_pack_null(p);
    }
    assert_ok(pack_end(p));
}

static void fields_and_requests_have_limits(void **state)
{
    (void)state;
    static const size_t over[][3] = {{513, 0, 0}, {0, 513, 0}, {0, 0, 1025}};
    uint8_t request[NSM_REQUEST_MAX + 1];
    for (size_t i = 0; i < ARRAY_LENGTH(over); i++) {
        struct packer p = {.data = request, .capacity = sizeof request};
        pack_attestation(&p, over[i]);
        assert_error(request, p.length, "InputTooLarge");
    }
    memset(request, 0, sizeof request);
    assert_error(request, sizeof request, "InputTooLarge");
}

static void verify_answer(struct attestation *ret_attestation)
{
    static struct cbor_tree tree;
    assert_ok(cbor_read(&tree, answer, answer_len));
    const struct cbor_node *fields = cbor_member(&tree.nodes[0], "Attestation");
    assert_non_null(fields);
    const struct cbor_node *document = cbor_member(fields, "document");
    assert_ok(attestation_verify(ret_attestation, document->bytes, document->length, authority.root_der.der,
                                 authority.root_der.length, clock_realtime_ms()));
}

static void documents_verify_and_show_only_locked_registers(void **state)
{
    (void)state;
    static struct attestation a;
    static const size_t full[] = {512, 512, 1024};
    uint8_t request[NSM_REQUEST_MAX];
    struct packer p = {.data = request, .capacity = sizeof request};
    pack_attestation(&p, full);
    ask(request, p.length);
    uint64_t now_ms = clock_realtime_ms();
    verify_answer(&a);
    assert_int_equal(a.pcr_present, 0xffff);
    assert_memory_equal(a.pcr[0], identity.pcr0, NSM_PCR_LEN);
    assert_string_equal(a.module_id, enclave.module_id);
    assert_true(a.timestamp_ms <= now_ms && a.timestamp_ms + 10000 > now_ms);
    assert_true(a.user_data.length == 512 && a.nonce.length == 512 && a.public_key.length == 1024);

    static const char *const steps[] = {"nsm_req_extend_pcr_16.cbor", "nsm_req_attestation_all_null.cbor",
                                        "nsm_req_lock_pcr_16.cbor", "nsm_req_attestation_all_null.cbor"};
    static const uint32_t present[] = {0, 0xffff, 0, 0x1ffff};
    for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
        AUTO(buffer) step = {0};
        read_vector(&step, steps[i]);
        ask(step.data, step.length);
        if (!present[i])
            continue;
        verify_answer(&a);
        assert_int_equal(a.pcr_present, present[i]);
        assert_false(a.user_data.present || a.nonce.present || a.public_key.present);
    }
    assert_memory_equal(a.pcr[16], enclave.pcrs.value[16], NSM_PCR_LEN);
}

static void randomness_differs(void **state)
{
    (void)state;
    uint8_t first[278];
    ask("\x69GetRandom", 10);
    assert_int_equal(answer_len, sizeof first);
    memcpy(first, answer, sizeof first);
    ask("\x69GetRandom", 10);
    assert_memory_equal(first, answer, 22);
    assert_memory_not_equal(first + 22, answer + 22, 256);
}

static void the_root_survives_a_restart_and_the_leaf_is_renewed(void **state)
{
    (void)state;
    AUTO(devcloud_authority) again = {0};
    assert_ok(devcloud_authority_open(&again, state_dir));
    assert_int_equal(again.root_der.length, authority.root_der.length);
    assert_memory_equal(again.root_der.der, authority.root_der.der, again.root_der.length);
    struct devcloud_certificate leaf = again.leaf_der;
    uint64_t now_ms = clock_realtime_ms();
    assert_ok(devcloud_authority_renew(&again, now_ms));
    assert_memory_equal(leaf.der, again.leaf_der.der, leaf.length);
    assert_ok(devcloud_authority_renew(&again, now_ms + 3 * 3600000));
    assert_memory_not_equal(leaf.der, again.leaf_der.der, leaf.length);

    char path[128];
    struct stat status;
    (void)snprintf(path, sizeof path, "%s/nsm-root-key.der", state_dir);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    AUTO(secret) key = {0};
    assert_ok(secret_read_file(&key, path, 1024));
    assert_ok(file_write(path, "not a key", 9, 0600));
    AUTO(devcloud_authority) broken = {0};
    assert_fails(E_INPUT, devcloud_authority_open(&broken, state_dir));
    assert_ok(file_write(path, key.data, key.length, 0600));
}

static void write_temporary(char *path, const char *text)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_ok(file_write_full(fd, text, strlen(text)));
    (void)close(fd);
}

/* Expected: python3 -c "import hashlib as h;
 * print(h.sha384(bytes(48)+h.sha384(b'onetwo').digest()).hexdigest())" */
static void measures_the_files_one_behind_the_other(void **state)
{
    (void)state;
    char one[] = "/tmp/measure.XXXXXX", two[] = "/tmp/measure.XXXXXX", both[64], hex[2 * NSM_PCR_LEN + 1];
    write_temporary(one, "one");
    write_temporary(two, "two");
    (void)snprintf(both, sizeof both, "%s,%s", one, two);
    uint8_t pcr0[NSM_PCR_LEN], other[NSM_PCR_LEN];
    assert_ok(devcloud_measure(pcr0, both));
    hex_encode(hex, pcr0, sizeof pcr0);
    assert_string_equal(hex, "15051e40f07321cfd2e6114cd5f19e12d59ce9163877c109"
                             "89484093835813240c0124f0b72ad7f0ccaeb5620e21b661");
    (void)snprintf(both, sizeof both, "%s,%s", two, one);
    assert_ok(devcloud_measure(other, both));
    assert_memory_not_equal(pcr0, other, sizeof pcr0);
    assert_fails(E_INPUT, devcloud_measure(other, ""));
    assert_fails(E_INPUT, devcloud_measure(other, "/dev/null,"));
    assert_fails(E_INPUT, devcloud_measure(other, ",/dev/null"));
    assert_fails(E_IO, devcloud_measure(other, "/nonexistent"));
    (void)unlink(one);
    (void)unlink(two);
}

#define BOOTED(test) cmocka_unit_test_setup(test, boot)

int main(void)
{
    if (secret_heap_open(65536).code)
        return 1;
    const struct CMUnitTest tests[] = {
        BOOTED(answers_are_those_of_the_vectors),
        BOOTED(the_boot_registers_are_those_of_the_identity),
        BOOTED(wrong_requests_have_their_error),
        BOOTED(fields_and_requests_have_limits),
        BOOTED(documents_verify_and_show_only_locked_registers),
        BOOTED(randomness_differs),
        cmocka_unit_test(the_root_survives_a_restart_and_the_leaf_is_renewed),
        cmocka_unit_test(measures_the_files_one_behind_the_other),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
