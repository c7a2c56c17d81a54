/* test_net_http_parse.c - heads and bodies, byte by byte: what is accepted and as what, what is refused and
 * how. */
#include "testing.h"

#include <event2/buffer.h>

#include "net/net_http_internal.h"

static void parse_ok(struct net_http_head *head, const char *text)
{
    int status = 0;
    size_t length = 0;
    assert_ok(net_http_head_length(&length, &status, text, strlen(text)));
    assert_int_equal(length, strlen(text));
    assert_ok(net_http_head_parse(head, &status, text, length));
}

static void test_an_ordinary_request(void **state)
{
    (void)state;
    AUTO(net_http_head) head = {0};
    parse_ok(&head, "POST /api/v1/x?a=b&c HTTP/1.1\r\nHost: Signer.Example:9000\r\nAccept:  text/plain \r\n"
                    "content-length: 12\r\n\r\n");
    assert_int_equal(head.method, NET_HTTP_POST);
    assert_string_equal(head.path, "/api/v1/x");
    assert_string_equal(head.query, "a=b&c");
    assert_string_equal(head.host, "signer.example");
    assert_int_equal(head.content_length, 12);
    assert_true(head.keep_alive);
    assert_false(head.chunked || head.expect_continue || head.minor_0);
    size_t accept = net_http_head_find(&head, "ACCEPT", 0);
    assert_string_equal(head.fields[accept].value, "text/plain");
}

static void test_paths_have_one_form(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"/", "/"},
        {"//", "/"},
        {"/upcheck/", "/upcheck"},
        {"//api//v1///eth2/", "/api/v1/eth2"},
        {"/%75pcheck", "/upcheck"},
        {"/a%2Fb", "/a/b"},
        {"/a%20b", "/a b"},
        {"/?x", "/"},
        {"http://other:80/x/", "/x"},
        {"http://other", "/"},
        {"https://other?q=1", "/"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
        char text[200];
        AUTO(net_http_head) head = {0};
        (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", pairs[i][0]);
        parse_ok(&head, text);
        assert_string_equal(head.path, pairs[i][1]);
        assert_string_equal(head.host, pairs[i][0][0] == '/' ? "h" : "other");
    }
}

static void test_hosts_lose_port_and_brackets(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"LocalHost:9000", "localhost"},
                                           {"127.0.0.1", "127.0.0.1"},
                                           {"[::1]:9000", "::1"},
                                           {"[FE80::1]", "fe80::1"},
                                           {"h:", "h"},
                                           {"", ""}};
    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
        char text[200];
        AUTO(net_http_head) head = {0};
        (void)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", pairs[i][0]);
        parse_ok(&head, text);
        assert_string_equal(head.host, pairs[i][1]);
    }
}

static void test_keep_alive_follows_version_and_header(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool keep_alive;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: x, CLOSE ,y\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: closed\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(net_http_head) head = {0};
        parse_ok(&head, cases[i].text);
        assert_int_equal(head.keep_alive, cases[i].keep_alive);
    }
}

#define START "GET / HTTP/1.1\r\nHost: h\r\n"

static void test_refusals_have_a_status(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *text;
    } cases[] = {
        {400, "\r\n\r\n"},
        {400, "GET\r\n\r\n"},
        {400, "GET /\r\n\r\n"},
        {400, "GET / \r\n\r\n"},
        {400, " / HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "G@T / HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET x HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET * HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET /% HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET /%4 HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET /%4g HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET /%0a HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET http://a@b/ HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET / http/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET / HTTP/1.1x\r\nHost: h\r\n\r\n"},
        {505, "GET / HTTP/2.0\r\nHost: h\r\n\r\n"},
        {505, "PRI * HTTP/2.0\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: h:x\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
        {400, START "Name\r\n\r\n"},
        {400, START ": value\r\n\r\n"},
        {400, START "Na me: value\r\n\r\n"},
        {400, START "Name : value\r\n\r\n"},
        {400, START " folded: x\r\n\r\n"},
        {400, START "A: x\r\n\tfolded\r\n\r\n"},
        {400, START "A: \x01\r\n\r\n"},
        {400, START "A: \x7f\r\n\r\n"},
        {400, START "A: b\rc: d\r\n\r\n"},
        {400, START "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"},
        {400, START "Content-Length: -1\r\n\r\n"},
        {400, START "Content-Length: +1\r\n\r\n"},
        {400, START "Content-Length: 0x1\r\n\r\n"},
        {400, START "Content-Length: 1, 1\r\n\r\n"},
        {400, START "Content-Length:\r\n\r\n"},
        {413, START "Content-Length: 99999999999999999999\r\n\r\n"},
        {400, START "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400, START "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {501, START "Transfer-Encoding: gzip, chunked\r\n\r\n"},
        {501, START "Transfer-Encoding: identity\r\n\r\n"},
        {400, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {417, START "Expect: something\r\n\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(net_http_head) head = {0};
        int status = 0;
        result r = net_http_head_parse(&head, &status, cases[i].text, strlen(cases[i].text));
        if (r.code != E_INPUT || status != cases[i].status)
            fail_msg("case %zu: %s, status %d: %s", i, error_name(r.code), status, cases[i].text);
        if (strpbrk(error_text(), "\"\\"))
            fail_msg("case %zu: the sentence has to fit into JSON: %s", i, error_text());
    }
}

static void test_a_nul_is_refused(void **state)
{
    (void)state;
    AUTO(net_http_head) head = {0};
    int status = 0;
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\0i\r\n\r\n";
    assert_fails(E_INPUT, net_http_head_parse(&head, &status, text, sizeof text - 1));
    assert_int_equal(status, 400);
}

static void test_heads_are_found_or_given_up(void **state)
{
    (void)state;
    static char text[10000];
    size_t length = 77;
    int status = 0;
    assert_ok(net_http_head_length(&length, &status, "GET / HTTP/1.1\r\nHost", 20));
    assert_int_equal(length, 0);
    assert_ok(net_http_head_length(&length, &status, "G\r\n\r\nmore", 9));
    assert_int_equal(length, 5);
    assert_fails(E_INPUT, net_http_head_length(&length, &status, "GET / HTTP/1.1\nHost", 19));
    assert_int_equal(status, 400);
    memset(text, 'a', sizeof text);
    assert_ok(net_http_head_length(&length, &status, text, 4096));
    assert_fails(E_INPUT, net_http_head_length(&length, &status, text, 4097));
    assert_int_equal(status, 414);
    memcpy(text, "GET / HTTP/1.1\r\n", 16);
    assert_ok(net_http_head_length(&length, &status, text, 8192));
    assert_fails(E_INPUT, net_http_head_length(&length, &status, text, 8193));
    assert_int_equal(status, 431);
    memcpy(text + 8188, "\r\n\r\n", 4);
    assert_ok(net_http_head_length(&length, &status, text, 8193));
    assert_int_equal(length, 8192);
}

static void test_too_many_headers(void **state)
{
    (void)state;
    char text[2000] = START;
    for (int i = 0; i < 99; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "a%d: b\r\n", i);
    size_t length = strlen(text);
    memcpy(text + length, "\r\n", 3);
    AUTO(net_http_head) fits = {0};
    parse_ok(&fits, text);
    memcpy(text + length, "c: d\r\n\r\n", 9);
    AUTO(net_http_head) head = {0};
    int status = 0;
    assert_fails(E_INPUT, net_http_head_parse(&head, &status, text, strlen(text)));
    assert_int_equal(status, 431);
}

static int take_in_steps(struct evbuffer *out, const char *stream, size_t step, size_t max)
{
    struct net_http_body body = {.chunked = true};
    struct evbuffer *in = evbuffer_new();
    size_t stream_len = strlen(stream);
    int status = 0;
    bool done = false;
    for (size_t at = 0; at < stream_len && !done; at += step) {
        assert_int_equal(evbuffer_add(in, stream + at, stream_len - at < step ? stream_len - at : step), 0);
        if (net_http_body_take(&body, &done, &status, out, in, max).code)
            break;
    }
    evbuffer_free(in);
    return done ? 200 : status;
}

static void test_chunks_in_every_split(void **state)
{
    (void)state;
    static const struct {
        int status; /* 0: needs more */
        const char *stream, *body;
    } cases[] = {
        {200, "3\r\nabc\r\n0\r\n\r\n", "abc"},
        {200, "3;ext=\"1\"\r\nabc\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", "abc0123456789"},
        {200, "0\r\n\r\n", ""},
        {200, "2 \r\nab\r\n0\r\n\r\n", "ab"},
        {0, "3\r\nabc\r\n0\r\n", NULL},
        {0, "3\r\nab", NULL},
        {400, "3\r\nabcX\r\n0\r\n\r\n", NULL},
        {400, "g\r\n\r\n", NULL},
        {400, "-1\r\n\r\n", NULL},
        {400, "+1\r\n\r\n", NULL},
        {400, "0x1\r\na\r\n", NULL},
        {400, "\r\n", NULL},
        {400, "1 2\r\na\r\n", NULL},
        {400, "1\ra\r\n", NULL},
        {413, "15\r\n012345678901234567890\r\n", NULL},
        {413, "A\r\n0123456789\r\nB\r\n01234567890\r\n", NULL},
        {413, "fffffffffffffffff\r\n", NULL},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        for (size_t step = 1; step <= strlen(cases[i].stream); step++) {
            struct evbuffer *out = evbuffer_new();
            int status = take_in_steps(out, cases[i].stream, step, 20);
            if (status != cases[i].status)
                fail_msg("case %zu, step %zu: %d", i, step, status);
            if (cases[i].body) {
                assert_int_equal(evbuffer_get_length(out), strlen(cases[i].body));
                assert_memory_equal(evbuffer_pullup(out, -1), cases[i].body, strlen(cases[i].body));
            }
            evbuffer_free(out);
        }
    }
}

static void test_lines_of_a_chunked_body_have_limits(void **state)
{
    (void)state;
    static char stream[20000];
    struct evbuffer *out = evbuffer_new();
    memset(stream, '0', 300);
    assert_int_equal(take_in_steps(out, stream, 100, 20), 400);
    (void)snprintf(stream, sizeof stream, "0\r\n");
    for (int i = 0; i < 300; i++)
        (void)snprintf(stream + strlen(stream), sizeof stream - strlen(stream), "name-%030d: v\r\n", i);
    assert_int_equal(take_in_steps(out, stream, 1000, 20), 431);
    evbuffer_free(out);
}

/* Each byte that comes alone is a piece of memory of its own in the input; not so in the body. */
static void test_a_body_that_dribbles_is_kept_in_few_pieces(void **state)
{
    (void)state;
    enum { LENGTH = 10000 };
    struct net_http_body body = {.left = LENGTH};
    struct evbuffer *in = evbuffer_new(), *out = evbuffer_new();
    int status = 0;
    bool done = false;
    for (int i = 0; i < LENGTH; i++) {
        char byte = (char)i;
        assert_false(done);
        assert_int_equal(evbuffer_add(in, &byte, 1), 0);
        assert_ok(net_http_body_take(&body, &done, &status, out, in, LENGTH));
    }
    assert_true(done);
    assert_true(evbuffer_peek(out, -1, NULL, NULL, 0) < 10);
    const unsigned char *bytes = evbuffer_pullup(out, -1);
    for (int i = 0; i < LENGTH; i++)
        assert_int_equal(bytes[i], (unsigned char)i);
    evbuffer_free(in);
    evbuffer_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_ordinary_request),
        cmocka_unit_test(test_paths_have_one_form),
        cmocka_unit_test(test_hosts_lose_port_and_brackets),
        cmocka_unit_test(test_keep_alive_follows_version_and_header),
        cmocka_unit_test(test_refusals_have_a_status),
        cmocka_unit_test(test_a_nul_is_refused),
        cmocka_unit_test(test_heads_are_found_or_given_up),
        cmocka_unit_test(test_too_many_headers),
        cmocka_unit_test(test_chunks_in_every_split),
        cmocka_unit_test(test_lines_of_a_chunked_body_have_limits),
        cmocka_unit_test(test_a_body_that_dribbles_is_kept_in_few_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
