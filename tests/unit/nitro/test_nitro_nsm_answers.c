/* test_nitro_nsm_answers.c - an NSM whose socket fails, or whose answers are of another shape than they
 * should be: nothing is taken from them, and nothing more is asked of one that does not answer. */
#include "nsm_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/un.h>
#include <unistd.h>

#include "cbor_mutants.h"
#include "nitro/nitro_nsm_transport.h"

static uint8_t pcr[NSM_PCR_LEN];
static bool locked;

static void interrupted_calls_are_made_again(void **state)
{
    (void)state;
    socket_faults.send[0] = socket_faults.send[1] = EINTR;
    socket_faults.recv[0] = socket_faults.recv[1] = EINTR;
    answer_vector("nsm_resp_lock_pcr.cbor");
    assert_ok(nsm_lock_pcr(&client, 16));
    assert_asked("nsm_req_lock_pcr_16.cbor");
}

/* An answer that comes after we gave up would be taken for the next request's: nothing more is asked. */
static void who_does_not_answer_is_asked_nothing_more(void **state)
{
    (void)state;
    socket_faults.recv[0] = EAGAIN;
    assert_fails(E_TIMEOUT, nsm_lock_pcr(&client, 16));
    assert_error_names("no answer");
    assert_asked("nsm_req_lock_pcr_16.cbor");
    uint8_t byte;
    assert_int_equal(recv(server, &byte, 1, 0), 0);
    assert_fails(E_IO, nsm_lock_pcr(&client, 16));
}

static void sockets_that_fail_say_so(void **state)
{
    (void)state;
    static const struct {
        int send, recv, code;
        const char *names;
    } rows[] = {{EAGAIN, 0, E_TIMEOUT, "NSM socket: "},
                {ENOBUFS, 0, E_IO, "NSM socket: No buffer space"},
                {0, ECONNRESET, E_IO, "NSM socket: Connection reset"},
                {0, -1, E_PEER, "NSM socket: closed"}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        socket_faults.send[0] = rows[i].send;
        socket_faults.recv[0] = rows[i].recv;
        assert_fails(rows[i].code, nsm_lock_pcr(&client, 16));
        assert_error_names(rows[i].names);
    }
    uint8_t request[NSM_REQUEST_MAX + 1] = {0}, response[NSM_RESPONSE_MAX];
    size_t response_len = 77;
    assert_fails(E_TOO_LARGE, nsm_transact(&client, response, &response_len, request, sizeof request));
    assert_fails(E_TOO_LARGE, nsm_transact(&client, response, &response_len, request, 0));
    assert_int_equal(response_len, 77);
}

/* ---- answers of which one item is another than it should be ---- */

struct question {
    const char *answer; /* a vector */
    result (*ask)(void);
    const char *free_items[3]; /* what may be another: "2 a number" */
    size_t num_free;
};

static struct buffer attested;
static uint8_t random_bytes[32];

static result ask_describe(void)
{
    return nsm_describe_pcr(&client, pcr, &locked, 16);
}

static result ask_extend(void)
{
    return nsm_extend_pcr(&client, pcr, 16, (const uint8_t *)"hello", 5);
}

static result ask_lock(void)
{
    return nsm_lock_pcr(&client, 16);
}

static result ask_random(void)
{
    return nsm_get_random(&client, random_bytes, sizeof random_bytes);
}

static result ask_attest(void)
{
    return nsm_attest(&client, &attested, NULL, 0, NULL, 0, NULL, 0);
}

static void try_answer(void *context, const struct cbor_mutant *mutant)
{
    struct question *question = context;
    uint8_t asked[NSM_REQUEST_MAX];
    char item[80];
    (void)snprintf(item, sizeof item, "%zu %s", mutant->item, mutant->as);
    bool is_free = false;
    for (size_t i = 0; i < ARRAY_LENGTH(question->free_items) && question->free_items[i]; i++)
        is_free = is_free || strcmp(question->free_items[i], item) == 0;
    memset(pcr, 0x77, sizeof pcr);
    memset(random_bytes, 0x77, sizeof random_bytes);
    attested.length = 0;
    answer_bytes(mutant->bytes, mutant->length);
    result r = question->ask();
    if (r.code != (is_free ? E_NONE : E_PEER))
        fail_msg("%s: %s: %s", question->answer, item, r.code ? error_text() : "taken");
    assert_true(recv(server, asked, sizeof asked, 0) > 0);
    question->num_free += is_free;
    assert_true(!r.code || (pcr[0] == 0x77 && random_bytes[0] == 0x77 && attested.length == 0));
}

static void answers_have_one_shape(void **state)
{
    (void)state;
    struct question questions[] = {
        {"nsm_resp_describe_pcr_16_zero.cbor", ask_describe, {"2 with one member more", "4 true", NULL}, 0},
        {"nsm_resp_extend_pcr_16_hello.cbor", ask_extend, {"2 with one member more", NULL, NULL}, 0},
        {"nsm_resp_lock_pcr.cbor", ask_lock, {NULL, NULL, NULL}, 0},
        {"nsm_resp_get_random_256.cbor", ask_random, {"2 with one member more", "4 many bytes", NULL}, 0},
        {"nsm_resp_attestation.cbor", ask_attest, {"2 with one member more", "4 many bytes", NULL}, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(questions); i++) {
        AUTO(buffer) answer = {0};
        read_vector(&answer, questions[i].answer);
        assert_true(cbor_mutants(answer.data, answer.length, try_answer, &questions[i]) > 10);
        size_t num_expected = 0;
        while (num_expected < 3 && questions[i].free_items[num_expected])
            num_expected++;
        assert_int_equal(questions[i].num_free, num_expected);
        answer_vector("nsm_resp_error_invalid_index.cbor");
        assert_fails(E_INPUT, questions[i].ask());
        uint8_t asked[NSM_REQUEST_MAX];
        assert_true(recv(server, asked, sizeof asked, 0) > 0);
    }
    buffer_cleanup(&attested);
}

/* Whether the claims differ, or the document around them. */
static bool are_claims;

static void try_time(void *context, const struct cbor_mutant *mutant)
{
    static uint8_t space[NSM_RESPONSE_MAX + 4096];
    struct packer p = {.data = space, .capacity = sizeof space};
    size_t *num_taken = context;
    uint64_t ms = 7;
    uint8_t asked[NSM_REQUEST_MAX];
    pack_bytes(&p,
               "\xa1\x6b"
               "Attestation"
               "\xa1\x68"
               "document",
               23);
    if (!are_claims) {
        cbor_pack_bytes(&p, mutant->bytes, mutant->length);
    } else {
        static uint8_t inner_space[NSM_RESPONSE_MAX];
        struct packer inner = {.data = inner_space, .capacity = sizeof inner_space};
        cbor_pack_array(&inner, 4);
        cbor_pack_bytes(&inner, NULL, 0);
        cbor_pack_map(&inner, 0);
        cbor_pack_bytes(&inner, mutant->bytes, mutant->length);
        cbor_pack_bytes(&inner, NULL, 0);
        assert_ok(pack_end(&inner));
        cbor_pack_bytes(&p, inner.data, inner.length);
    }
    assert_ok(pack_end(&p));
    answer_bytes(p.data, p.length);
    result r = nsm_time(&client, &ms);
    assert_true(recv(server, asked, sizeof asked, 0) > 0);
    *num_taken += !r.code;
    /* The headers and the signature may be anything, the whole tagged; the claims may have more members, and
     * another date. */
    bool is_free = are_claims ? (mutant->item == 0 && strcmp(mutant->as, "with one member more") == 0) ||
                                    (mutant->item == 2 && strcmp(mutant->as, "the next number") == 0)
                              : mutant->item == 1 || mutant->item == 2 || mutant->item == 4 ||
                                    (mutant->item == 0 && strcmp(mutant->as, "tagged as COSE_Sign1") == 0);
    if (r.code != (is_free ? E_NONE : E_PEER))
        fail_msg("item %zu %s: %s", mutant->item, mutant->as, r.code ? error_text() : "taken");
    assert_true(r.code ? ms == 7 : ms > 0);
}

static void the_time_is_of_a_document_of_one_shape(void **state)
{
    (void)state;
    static const uint8_t claims[] = "\xa1\x69timestamp\x1a\x65\x00\x00\x00",
                         whole[] = "\x84\x40\xa0\x50\xa1\x69timestamp\x1a\x65\x00\x00\x00\x40";
    size_t num_taken = 0;
    are_claims = false;
    /* The headers and the signature may be anything, the payload nothing else, and the whole may be tagged.
     */
    size_t num = cbor_mutants(whole, sizeof whole - 1, try_time, &num_taken);
    print_message("%zu of %zu\n", num_taken, num);
    num_taken = 0;
    are_claims = true;
    assert_true(cbor_mutants(claims, sizeof claims - 1, try_time, &num_taken) > 60);
    assert_int_equal(num_taken, 2);
    answer_hex("a1654572726f726c496e7465726e616c4572726f72"); /* no such error */
    uint64_t ms = 7;
    assert_fails(E_PEER, nsm_time(&client, &ms));
    assert_int_equal(ms, 7);
}

static void a_socket_is_opened_whole_or_not(void **state)
{
    (void)state;
    char folder[] = "/tmp/ns-nsm-XXXXXX", where[sizeof(struct sockaddr_un) + 8];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct nsm n = {0};
    assert_non_null(mkdtemp(folder));
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/nsm", folder);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    (void)snprintf(where, sizeof where, "unix:%s", address.sun_path);
    static const int options[] = {SO_RCVTIMEO, SO_SNDTIMEO};
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        socket_faults.options = options[i];
        assert_fails(E_IO, nsm_open(&n, where));
        assert_int_equal(n.fd, 0);
    }
    socket_faults.options = 0;
    assert_ok(nsm_open(&n, where));
    assert_true(n.fd > 0 && !n.is_device);
    nsm_cleanup(&n);
    assert_int_equal(n.fd, -1);
    memset(where + 5, 'a', sizeof where - 6);
    where[5 + sizeof address.sun_path] = 0;
    assert_fails(E_INPUT, nsm_open(&n, where));
    assert_error_names("too long");
    /* Descriptor 0 is how a closed one is told: it is never taken. */
    int input = dup(STDIN_FILENO);
    (void)close(STDIN_FILENO);
    assert_fails(E_IO, nsm_open(&n, "/dev/null"));
    assert_error_names("standard input is closed");
    (void)snprintf(where, sizeof where, "unix:%s", address.sun_path);
    assert_fails(E_IO, nsm_open(&n, where));
    assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), -1);
    if (input >= 0) {
        assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO);
        (void)close(input);
    }
    (void)close(listener);
    assert_int_equal(unlink(address.sun_path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIRED(interrupted_calls_are_made_again),
        PAIRED(who_does_not_answer_is_asked_nothing_more),
        PAIRED(sockets_that_fail_say_so),
        PAIRED(answers_have_one_shape),
        PAIRED(the_time_is_of_a_document_of_one_shape),
        cmocka_unit_test(a_socket_is_opened_whole_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
