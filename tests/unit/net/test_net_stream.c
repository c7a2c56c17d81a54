/* Streams under clients that send without end, or stop half-way: what one turn of the loop does, what is left
 * for the next, and that nothing is left for ever. The clients are OpenSSL's own, over memory: what they say
 * can be cut, and joined, as a network would. */
#include "testing.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net_stream.h"

enum { REQUEST = 100, PLENTY = 200000 };

struct rig {
    struct event_base *base;
    struct net_stream_common common;
    struct net_stream *stream;
    SSL_CTX *server_context, *client_context;
    SSL *client; /* over memory */
    int client_fd;
    int num_connected, num_read, num_written, num_ended;
    size_t taken;   /* bytes of input */
    size_t at_once; /* bytes that one request has; 0: takes all and goes on reading */
    bool pauses;    /* switches reading off at each request, and does not switch it on */
    bool failed, frees;
};

static struct rig rig;

static void free_stream(void)
{
    net_stream_free(rig.stream);
    rig.stream = NULL;
}

static void on_connected(void *context)
{
    (void)context;
    rig.num_connected++;
}

/* As HTTP/1.1 does: takes one request, and answers before it looks for another. */
static void on_read(void *context)
{
    (void)context;
    struct evbuffer *input = net_stream_input(rig.stream);
    size_t ready = evbuffer_get_length(input);
    rig.num_read++;
    size_t step = rig.at_once > 0 && ready > rig.at_once ? rig.at_once : ready;
    assert_int_equal(evbuffer_drain(input, step), 0);
    rig.taken += step;
    if (rig.frees) {
        free_stream();
        return;
    }
    if (rig.at_once == 0 && !rig.pauses)
        return;
    net_stream_set_reading(rig.stream, false);
    if (!rig.pauses)
        net_stream_set_reading(rig.stream, true);
}

static void on_written(void *context)
{
    (void)context;
    rig.num_written++;
}

static void on_ended(void *context, bool failed)
{
    (void)context;
    rig.num_ended++;
    rig.failed = failed;
    if (failed)
        free_stream();
}

static const struct net_stream_events events = {
    .connected = on_connected, .read = on_read, .written = on_written, .ended = on_ended};

/* ---- the rig ---- */

static SSL_CTX *new_server_context(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    assert_true(key && certificate && X509_set_version(certificate, 2));
    assert_true(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1));
    assert_true(X509_gmtime_adj(X509_getm_notBefore(certificate), 0) &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
    assert_true(X509_set_pubkey(certificate, key) && X509_sign(certificate, key, EVP_sha256()) > 0);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_non_null(context);
    assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

/* As much of it as the socket takes, in large pieces; how much it took. */
static size_t send_some(const void *bytes, size_t length)
{
    size_t at = 0;
    ssize_t n = 0;
    while (at < length && (n = send(rig.client_fd, (const char *)bytes + at, length - at, MSG_NOSIGNAL)) > 0)
        at += (size_t)n;
    return at;
}

/* What the client has to say, whole. */
static void speak(void)
{
    char *bytes;
    BIO *out = SSL_get_wbio(rig.client);
    long length = BIO_get_mem_data(out, &bytes);
    assert_int_equal(send_some(bytes, (size_t)length), length);
    assert_int_equal(BIO_reset(out), 1);
}

static void hear(void)
{
    char bytes[65536];
    ssize_t n;
    while ((n = recv(rig.client_fd, bytes, sizeof bytes, 0)) > 0)
        assert_int_equal(BIO_write(SSL_get_rbio(rig.client), bytes, (int)n), n);
}

static void turn(void)
{
    assert_true(event_base_loop(rig.base, EVLOOP_NONBLOCK | EVLOOP_ONCE) >= 0);
}

static void turns(int num)
{
    for (int i = 0; i < num; i++)
        turn();
}

/* TLS 1.2, 1.3, or 0: plain */
static void open_rig(int version)
{
    int pair[2];
    memset(&rig, 0, sizeof rig);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    rig.client_fd = pair[0];
    rig.base = event_base_new();
    assert_non_null(rig.base);
    net_stream_common_open(&rig.common, rig.base);
    if (version != 0) {
        rig.server_context = new_server_context();
        rig.client_context = SSL_CTX_new(TLS_client_method());
        assert_int_equal(SSL_CTX_set_max_proto_version(rig.client_context, version), 1);
        rig.client = SSL_new(rig.client_context);
        SSL_set_bio(rig.client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_connect_state(rig.client);
    }
    assert_ok(net_stream_new(&rig.stream, rig.base, pair[1], rig.server_context, &rig.common, &events, NULL));
}

static void shake_hands(void)
{
    while (SSL_do_handshake(rig.client) != 1 || rig.num_connected == 0) {
        speak();
        turn();
        hear();
    }
    assert_int_equal(rig.num_connected, 1);
}

static void close_rig(void)
{
    if (rig.stream)
        free_stream();
    net_stream_common_close(&rig.common);
    event_base_free(rig.base);
    SSL_free(rig.client);
    SSL_CTX_free(rig.client_context);
    SSL_CTX_free(rig.server_context);
    (void)close(rig.client_fd);
}

static size_t unread(void)
{
    int bytes = 0;
    evutil_socket_t fd =
        rig.stream && net_stream_tls(rig.stream) ? SSL_get_fd(net_stream_tls(rig.stream)) : -1;
    assert_int_equal(ioctl(fd, FIONREAD, &bytes), 0);
    return (size_t)bytes;
}

static void say(const char *bytes, size_t length)
{
    if (rig.client)
        assert_int_equal(SSL_write(rig.client, bytes, (int)length), length);
    else
        assert_int_equal(send_some(bytes, length), length);
}

/* ---- one turn of the loop ---- */

/* A client that sends requests without waiting for answers: others have their turn after each. */
static void a_turn_serves_one_request(int version)
{
    static const char requests[PLENTY];
    open_rig(version);
    if (version != 0)
        shake_hands();
    rig.at_once = REQUEST;
    say(requests, 100 * REQUEST);
    if (version != 0)
        speak();
    turn();
    assert_int_equal(rig.num_read, 1);
    turn();
    assert_int_equal(rig.num_read, 2);
    turns(100);
    assert_int_equal(rig.taken, 100 * REQUEST);
    assert_int_equal(rig.num_read, 100);
    close_rig();
}

static void test_a_turn_serves_one_plain_request(void **state)
{
    (void)state;
    a_turn_serves_one_request(0);
}

static void test_a_turn_serves_one_request_of_tls(void **state)
{
    (void)state;
    a_turn_serves_one_request(TLS1_3_VERSION);
}

/* One large body. */
static void test_a_turn_takes_one_buffer_of_input(void **state)
{
    (void)state;
    static const char body[4 * NET_STREAM_INPUT_MAX];
    open_rig(TLS1_3_VERSION);
    shake_hands();
    say(body, sizeof body);
    speak();
    size_t all = unread(), before = all;
    for (int i = 0; i < 20 && rig.taken < sizeof body; i++) {
        turn();
        /* for the socket, and for what was left */
        assert_true(before - unread() <= 2 * (SSL3_RT_MAX_PACKET_SIZE));
        before = unread();
    }
    assert_int_equal(rig.taken, sizeof body);
    close_rig();
}

/* OpenSSL answers each within SSL_read, and would go on to the next one. */
static void test_key_updates_without_end_take_turns(void **state)
{
    (void)state;
    open_rig(TLS1_3_VERSION);
    shake_hands();
    for (int i = 0; i < 4000; i++) {
        assert_int_equal(SSL_key_update(rig.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(rig.client), 1);
    }
    say("after them", 10);
    speak();
    size_t all = unread();
    assert_true(all > 100000);
    turn();
    assert_true(unread() > all - 20000);
    turns(20);
    assert_int_equal(rig.taken, 10);
    close_rig();
}

/* ---- what is left ---- */

/* Two requests in one record, and two records in one segment: the second is served when the first is. */
static void what_came_together_is_not_left(bool one_record)
{
    static const char requests[2 * REQUEST];
    open_rig(TLS1_3_VERSION);
    shake_hands();
    rig.pauses = true;
    rig.at_once = REQUEST;
    say(requests, one_record ? 2 * REQUEST : REQUEST);
    if (!one_record)
        say(requests, REQUEST);
    speak();
    turns(5);
    assert_int_equal(rig.taken, REQUEST);
    net_stream_set_reading(rig.stream, true);
    turns(5);
    assert_int_equal(rig.taken, 2 * REQUEST);
    close_rig();
}

static void test_what_came_together_is_not_left(void **state)
{
    (void)state;
    what_came_together_is_not_left(true);
    what_came_together_is_not_left(false);
}

/* Finished and the first request in one segment. */
static void test_a_request_behind_the_handshake(void **state)
{
    (void)state;
    open_rig(TLS1_3_VERSION);
    assert_int_not_equal(SSL_do_handshake(rig.client), 1);
    speak();
    turns(3);
    hear();
    assert_int_equal(SSL_do_handshake(rig.client), 1);
    say("GET", 3);
    speak();
    turns(3);
    assert_int_equal(rig.taken, 3);
    close_rig();
}

/* The same when the handshake ends while the socket takes no more, which takes a small one and many tickets.
 */
static void test_a_request_behind_a_blocked_handshake(void **state)
{
    (void)state;
    open_rig(TLS1_3_VERSION);
    SSL *server = net_stream_tls(rig.stream);
    int bytes = 1;
    assert_int_equal(setsockopt(SSL_get_fd(server), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
    assert_int_equal(SSL_set_num_tickets(server, 60), 1);
    assert_int_not_equal(SSL_do_handshake(rig.client), 1);
    speak();
    turns(3);
    hear();
    assert_int_equal(SSL_do_handshake(rig.client), 1);
    say("GET", 3);
    speak();
    turns(3);
    assert_int_equal(rig.num_connected, 0);
    for (int i = 0; i < 50; i++) {
        hear();
        turn();
    }
    assert_int_equal(rig.num_connected, 1);
    assert_int_equal(rig.taken, 3);
    close_rig();
}

/* Half a record, and then nothing: the loop sleeps; whenever reading is switched on again, too. */
static void test_half_a_record_keeps_nobody_busy(void **state)
{
    (void)state;
    open_rig(TLS1_3_VERSION);
    shake_hands();
    char record[1000], *bytes;
    memset(record, 'x', sizeof record);
    say(record, sizeof record);
    long length = BIO_get_mem_data(SSL_get_wbio(rig.client), &bytes);
    assert_int_equal(send_some(bytes, (size_t)length / 2), length / 2);
    for (int i = 0; i < 3; i++) {
        turns(3);
        assert_int_equal(event_base_get_num_events(rig.base, EVENT_BASE_COUNT_ACTIVE), 0);
        assert_int_equal(event_base_get_num_events(rig.base, EVENT_BASE_COUNT_ADDED), 1);
        net_stream_set_reading(rig.stream, false);
        net_stream_set_reading(rig.stream, true);
    }
    assert_int_equal(rig.num_read, 0);
    assert_true(send_some(bytes + length / 2, (size_t)(length - length / 2)) > 0);
    turns(3);
    assert_int_equal(rig.taken, sizeof record);
    close_rig();
}

/* ---- writing ---- */

/* Takes what the stream has written, as long as there is more; how much it was when decrypted. */
static size_t receive_all(void)
{
    char bytes[65536];
    size_t got = 0;
    for (int i = 0; i < 100; i++) {
        hear();
        int n;
        while ((n = SSL_read(rig.client, bytes, sizeof bytes)) > 0)
            got += (size_t)n;
        turn();
    }
    return got;
}

/* A client that asks for new keys while it does not read: the answer to that, too, has to wait. */
static void test_key_update_while_output_is_blocked(void **state)
{
    (void)state;
    static const char answer[10 * PLENTY];
    open_rig(TLS1_3_VERSION);
    shake_hands();
    assert_int_equal(evbuffer_add(net_stream_output(rig.stream), answer, sizeof answer), 0);
    assert_false(net_stream_send(rig.stream));
    turns(5);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(SSL_key_update(rig.client, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(rig.client), 1);
        say("more", 4);
        speak();
        turns(5);
    }
    assert_int_equal(receive_all(), sizeof answer);
    assert_int_equal(rig.taken, 12);
    assert_int_equal(rig.num_ended, 0);
    assert_int_equal(rig.num_written, 1);
    close_rig();
}

/* ---- ends ---- */

static void test_freed_by_its_callback(void **state)
{
    (void)state;
    static const char requests[PLENTY / 2];
    for (int version = 0; version <= TLS1_3_VERSION; version += TLS1_3_VERSION) {
        open_rig(version);
        if (version != 0)
            shake_hands();
        rig.frees = true;
        say(requests, sizeof requests);
        if (version != 0)
            speak();
        turns(5);
        assert_int_equal(rig.num_read, 1);
        assert_null(rig.stream);
        close_rig();
    }
}

/* With close_notify, and with no more than a FIN; the last words are heard in any case. */
static void test_ends_are_told_once_behind_the_last_words(void **state)
{
    (void)state;
    for (int notify = 0; notify < 2; notify++) {
        open_rig(TLS1_3_VERSION);
        shake_hands();
        say("last", 4);
        if (notify)
            (void)SSL_shutdown(rig.client);
        speak();
        assert_int_equal(shutdown(rig.client_fd, SHUT_WR), 0);
        turns(5);
        assert_int_equal(rig.taken, 4);
        assert_int_equal(rig.num_ended, 1);
        assert_false(rig.failed);
        net_stream_set_reading(rig.stream, false);
        net_stream_set_reading(rig.stream, true);
        turns(5);
        assert_int_equal(rig.num_ended, 1);
        close_rig();
    }
}

/* The next connection's errors are its own. */
static void test_errors_are_not_left_for_others(void **state)
{
    (void)state;
    open_rig(TLS1_3_VERSION);
    shake_hands();
    assert_int_equal(send_some("this is no record of TLS at all", 31), 31);
    turns(5);
    assert_true(rig.failed);
    assert_int_equal(ERR_peek_error(), 0);
    close_rig();
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_turn_serves_one_plain_request),
        cmocka_unit_test(test_a_turn_serves_one_request_of_tls),
        cmocka_unit_test(test_a_turn_takes_one_buffer_of_input),
        cmocka_unit_test(test_key_updates_without_end_take_turns),
        cmocka_unit_test(test_what_came_together_is_not_left),
        cmocka_unit_test(test_a_request_behind_the_handshake),
        cmocka_unit_test(test_a_request_behind_a_blocked_handshake),
        cmocka_unit_test(test_half_a_record_keeps_nobody_busy),
        cmocka_unit_test(test_key_update_while_output_is_blocked),
        cmocka_unit_test(test_freed_by_its_callback),
        cmocka_unit_test(test_ends_are_told_once_behind_the_last_words),
        cmocka_unit_test(test_errors_are_not_left_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
