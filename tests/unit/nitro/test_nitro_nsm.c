/* test_nitro_nsm.c - the NSM client: requests compared byte for byte, answers given from the
 * vectors and broken in every way. The NSM is the other end of a socketpair (nsm_rig.h), or a wrapped ioctl.
 */
#include "nsm_rig.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "base/hex.h"

static uint8_t pcr[NSM_PCR_LEN];
static bool locked;

static void requests_and_answers_are_those_of_the_vectors(void **state)
{
    (void)state;
    static const uint8_t zero[NSM_PCR_LEN];
    uint8_t expected[NSM_PCR_LEN];
    locked = true;
    answer_vector("nsm_resp_describe_pcr_16_zero.cbor");
    assert_ok(nsm_describe_pcr(&client, pcr, &locked, 0));
    assert_asked("nsm_req_describe_pcr_0.cbor");
    assert_false(locked);
    assert_memory_equal(pcr, zero, sizeof zero);

    answer_vector("nsm_resp_extend_pcr_16_hello.cbor");
    assert_ok(nsm_extend_pcr(&client, pcr, 16, (const uint8_t *)"hello", 5));
    assert_asked("nsm_req_extend_pcr_16.cbor");
    assert_ok(hex_decode(expected, sizeof expected,
                         "30e84b2d7eeffe6d90a475797b35e59a11b0da473eee4b3b"
                         "8edfe73daf0279801bb18730c39db7f27f2f77b7b458cb9e",
                         96)); /* SHA-384(48 zero bytes || "hello") */
    assert_memory_equal(pcr, expected, sizeof expected);

    answer_vector("nsm_resp_lock_pcr.cbor");
    assert_ok(nsm_lock_pcr(&client, 16));
    assert_asked("nsm_req_lock_pcr_16.cbor");
}

static void randomness_takes_as_many_requests_as_needed(void **state)
{
    (void)state;
    uint8_t out[300];
    answer_vector("nsm_resp_get_random_256.cbor");
    answer_vector("nsm_resp_get_random_256.cbor");
    assert_ok(nsm_get_random(&client, out, sizeof out));
    assert_asked("nsm_req_get_random.cbor");
    assert_asked("nsm_req_get_random.cbor");
    for (size_t i = 0; i < sizeof out; i++)
        assert_int_equal(out[i], (uint8_t)i);
    answer_hex("a16947657452616e646f6da16672616e646f6d40");
    assert_fails(E_PEER, nsm_get_random(&client, out, 1));
}

/* {"Attestation": {"document": bytes}} around a document. */
static void answer_document(const uint8_t *document, size_t document_len)
{
    AUTO(buffer) b = {0};
    assert_in_range(document_len, 256, 65535);
    const uint8_t head[] = {0xa1,
                            0x6b,
                            'A',
                            't',
                            't',
                            'e',
                            's',
                            't',
                            'a',
                            't',
                            'i',
                            'o',
                            'n',
                            0xa1,
                            0x68,
                            'd',
                            'o',
                            'c',
                            'u',
                            'm',
                            'e',
                            'n',
                            't',
                            0x59,
                            (uint8_t)(document_len >> 8),
                            (uint8_t)document_len};
    assert_ok(buffer_append(&b, head, sizeof head));
    assert_ok(buffer_append(&b, document, document_len));
    answer_bytes(b.data, b.length);
}

static void the_time_is_a_documents(void **state)
{
    (void)state;
    /* QEMU's device, which signs nothing: the date alone counts. */
    AUTO(buffer) document = {0};
    read_vector(&document, "attdoc_qemu_layout_unsigned.bin");
    uint64_t ms = 0;
    answer_document(document.data, document.length);
    assert_ok(nsm_time(&client, &ms));
    assert_asked("nsm_req_attestation_all_null.cbor");
    assert_int_equal(ms % 1000, 0);
    assert_in_range(ms, UINT64_C(1600000000000), UINT64_C(4000000000000));
    /* Every byte of the key's name changed, and every cut, is an error of the peer. */
    uint8_t *name = memmem(document.data, document.length, "timestamp", 9);
    assert_non_null(name);
    for (size_t i = 0; i < 9; i++) {
        name[i] ^= 1;
        uint64_t untouched = 7;
        answer_document(document.data, document.length);
        assert_fails(E_PEER, nsm_time(&client, &untouched));
        assert_int_equal(untouched, 7);
        name[i] ^= 1;
        uint8_t bytes[NSM_REQUEST_MAX];
        assert_true(recv(server, bytes, sizeof bytes, 0) > 0);
    }
    answer_document(document.data, document.length - 1);
    assert_fails(E_PEER, nsm_time(&client, &ms));
}

static void attestation_carries_nulls_and_values(void **state)
{
    (void)state;
    AUTO(buffer) document = {0};
    AUTO(buffer) expected = {0};
    read_vector(&expected, "attdoc_valid.bin");
    answer_vector("nsm_resp_attestation.cbor");
    assert_ok(nsm_attest(&client, &document, NULL, 0, NULL, 0, NULL, 0));
    assert_asked("nsm_req_attestation_all_null.cbor");
    assert_int_equal(document.length, expected.length);
    assert_memory_equal(document.data, expected.data, expected.length);

    uint8_t nonce[32];
    memset(nonce, 0xaa, sizeof nonce);
    answer_vector("nsm_resp_attestation.cbor");
    assert_ok(nsm_attest(&client, &document, (const uint8_t *)"\1\2\3", 3, nonce, sizeof nonce, NULL, 0));
    assert_asked("nsm_req_attestation_small.cbor");

    static uint8_t long_field[1025];
    assert_fails(E_TOO_LARGE, nsm_attest(&client, &document, long_field, 513, NULL, 0, NULL, 0));
    assert_error_names("user_data");
    assert_fails(E_TOO_LARGE, nsm_attest(&client, &document, NULL, 0, long_field, 513, NULL, 0));
    assert_error_names("nonce");
    assert_fails(E_TOO_LARGE, nsm_attest(&client, &document, NULL, 0, NULL, 0, long_field, 1025));
    assert_error_names("public_key");
}

static void errors_of_the_nsm_have_their_codes(void **state)
{
    (void)state;
    answer_vector("nsm_resp_error_readonly.cbor");
    assert_fails(E_STATE, nsm_lock_pcr(&client, 0));
    assert_error_names("ReadOnlyIndex");
    answer_vector("nsm_resp_error_invalid_index.cbor");
    assert_fails(E_INPUT, nsm_describe_pcr(&client, pcr, &locked, 99));
    assert_error_names("InvalidIndex");
    answer_hex("a1654572726f726d496e7465726e616c4572726f72");
    assert_fails(E_PEER, nsm_lock_pcr(&client, 16));
    answer_hex("a1654572726f7263466f6f");
    assert_fails(E_PEER, nsm_lock_pcr(&client, 16));
    assert_error_names("unknown name");
    answer_hex("a1654572726f7201");
    assert_fails(E_PEER, nsm_lock_pcr(&client, 16));
}

/* libcbor writes integers full width and other encoders leave containers open: still the same answer. */
static void other_encoders_are_understood(void **state)
{
    (void)state;
    uint8_t answer[80] = "\xbf\x6b"
                         "DescribePCR"
                         "\xbf\x64"
                         "data"
                         "\x59\x00\x30";
    memset(answer + 22, 0x5a, NSM_PCR_LEN);
    memcpy(answer + 70, "\x64lock\xf5\xff\xff", 8);
    answer_bytes(answer, 78);
    assert_ok(nsm_describe_pcr(&client, pcr, &locked, 16));
    assert_true(locked);
    assert_int_equal(pcr[47], 0x5a);
}

static void wrong_answers_are_the_fault_of_the_peer(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "00",
        "f6",
        "ff",
        "674c6f636b504352",                                       /* LockPCR */
        "a0",                                                     /* no variant */
        "a16b4465736372696265504352f6",                           /* no fields */
        "a16b4465736372696265504352a0",                           /* fields missing */
        "a16b4465736372696265504352a2646c6f636bf464646174614100", /* value of one byte */
        "a16b4465736372696265504352a1646c6f636bf4",               /* data missing */
        "a26b4465736372696265504352a061780061",                   /* cut */
        "a1674c6f636b504352a0",                                   /* another variant */
    };
    uint8_t before[NSM_PCR_LEN];
    memset(pcr, 0x77, sizeof pcr);
    memcpy(before, pcr, sizeof pcr);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        answer_hex(bad[i]);
        if (nsm_describe_pcr(&client, pcr, &locked, 0).code != E_PEER)
            fail_msg("%s was not refused as the peer's fault", bad[i]);
    }
    assert_memory_equal(pcr, before, sizeof pcr);
    answer_vector("nsm_resp_lock_pcrs.cbor");
    assert_fails(E_PEER, nsm_lock_pcr(&client, 0));
}

static void every_truncated_answer_is_refused(void **state)
{
    (void)state;
    AUTO(buffer) whole = {0};
    read_vector(&whole, "nsm_resp_describe_pcr_16_zero.cbor");
    for (size_t length = 1; length < whole.length; length++) {
        answer_bytes(whole.data, length);
        assert_fails(E_PEER, nsm_describe_pcr(&client, pcr, &locked, 0));
    }
}

static void long_answers_and_closed_sockets_are_refused(void **state)
{
    (void)state;
    static uint8_t huge[NSM_RESPONSE_MAX + 1];
    answer_bytes(huge, sizeof huge);
    assert_fails(E_PEER, nsm_lock_pcr(&client, 16));
    assert_error_names("too long");
    static uint8_t data[NSM_REQUEST_MAX];
    assert_fails(E_TOO_LARGE, nsm_extend_pcr(&client, pcr, 16, data, sizeof data));
    (void)shutdown(server, SHUT_RDWR);
    result r = nsm_lock_pcr(&client, 16);
    assert_true(r.code == E_PEER || r.code == E_IO);
}

static void an_answer_nobody_asked_for_ends_the_talk(void **state)
{
    (void)state;
    answer_vector("nsm_resp_lock_pcrs.cbor");
    assert_int_equal(__real_send(server, "\x67LockPCR", 8, 0), 8);
    assert_fails(E_PEER, nsm_lock_pcr(&client, 16));
    assert_error_names("without a request");
    assert_fails(E_IO, nsm_lock_pcr(&client, 16));
    forget_answers(); /* of a question that never came */
}

/* The argument as <linux/nsm.h> has it, read back by offset. */
static struct {
    bool active;
    int error, interruptions;
    uint64_t length;
    unsigned long request;
    uint8_t argument[32];
} device;

int __wrap_ioctl(int fd, unsigned long request, void *argument);
int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
    if (!device.active)
        return __real_ioctl(fd, request, argument);
    if (device.interruptions > 0) {
        device.interruptions--;
        errno = EINTR;
        return -1;
    }
    device.request = request;
    memcpy(device.argument, argument, sizeof device.argument);
    if (device.error) {
        errno = device.error;
        return -1;
    }
    uint64_t response_address;
    memcpy(&response_address, device.argument + 16, 8);
    memcpy((uint8_t *)(uintptr_t)response_address, "\x67LockPCR", 8);
    memcpy((uint8_t *)argument + 24, &device.length, 8);
    return 0;
}

static void the_device_is_asked_by_ioctl(void **state)
{
    (void)state;
    struct nsm n = {0};
    assert_ok(nsm_open(&n, "/dev/null"));
    assert_true(n.is_device);
    device.active = true;
    device.length = 8;
    assert_ok(nsm_lock_pcr(&n, 16));
    assert_int_equal(device.request, 0xC0200A00);
    uint64_t request_len, capacity;
    memcpy(&request_len, device.argument + 8, 8);
    memcpy(&capacity, device.argument + 24, 8);
    assert_int_equal(request_len, 17);
    assert_int_equal(capacity, 0x3000);
    device.interruptions = 2;
    assert_ok(nsm_lock_pcr(&n, 16));
    assert_int_equal(device.interruptions, 0);
    device.length = 7;
    assert_fails(E_PEER, nsm_lock_pcr(&n, 16));
    device.length = 0x3001;
    assert_fails(E_PEER, nsm_lock_pcr(&n, 16));
    device.error = ETIMEDOUT;
    assert_fails(E_TIMEOUT, nsm_lock_pcr(&n, 16));
    device.error = EIO;
    assert_fails(E_IO, nsm_lock_pcr(&n, 16));
    device.active = false;
    nsm_cleanup(&n);
    assert_fails(E_INTERNAL, nsm_lock_pcr(&n, 16));
}

static void opening_says_what_is_wrong(void **state)
{
    (void)state;
    struct nsm n = {0};
    assert_fails(E_IO, nsm_open(&n, "/nonexistent/nsm"));
    assert_fails(E_IO, nsm_open(&n, "unix:/nonexistent/nsm"));
    assert_fails(E_INPUT, nsm_open(&n, "unix:"));
    assert_fails(E_INPUT, nsm_open(&n, "nsm"));
    assert_int_equal(n.fd, 0);
    nsm_cleanup(&n); /* closes nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIRED(requests_and_answers_are_those_of_the_vectors),
        PAIRED(randomness_takes_as_many_requests_as_needed),
        PAIRED(attestation_carries_nulls_and_values),
        PAIRED(the_time_is_a_documents),
        PAIRED(errors_of_the_nsm_have_their_codes),
        PAIRED(other_encoders_are_understood),
        PAIRED(wrong_answers_are_the_fault_of_the_peer),
        PAIRED(every_truncated_answer_is_refused),
        PAIRED(long_answers_and_closed_sockets_are_refused),
        PAIRED(an_answer_nobody_asked_for_ends_the_talk),
        cmocka_unit_test(the_device_is_asked_by_ioctl),
        cmocka_unit_test(opening_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
