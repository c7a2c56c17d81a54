/* torture_http.c - the HTTPS server: it gets its key and certificate, accepts, shakes hands, hears and
 * answers, closes. Clients of their own threads, whose calls do not fail, ask over HTTP/1.1 and HTTP/2 at the
 * same time. Whatever fails, a client gets its own answer, a refusal, or an end, and nothing of another's;
 * and the server that is there serves the next client as soon as nothing fails. */
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/secret.h"
#include "net/net_address.h"
#include "net/net_http.h"
#include "net/net_loop.h"
#include "net/net_tls.h"
#include "torture.h"

enum { REQUESTS = 2, ANSWER_MAX = 65536, BODY_LEN = 20000, PATIENCE_SECONDS = 30, HURRY_US = 150000 };
enum { H2_DATA = 0, H2_HEADERS = 1, H2_END = 1, H2_END_HEADERS = 4, H2_STATUS_200 = (char)0x88 /* HPACK */ };

DEFINE_AUTO_POINTER(SSL, SSL_free)

static uint8_t *key, *certificate;
static int key_len, certificate_len;
static SSL_CTX *clients;
static atomic_int num_done;
static bool is_patient; /* an answer must come: the machine may be busy */

struct client {
    struct net_address address;
    const char *name; /* in each request and each answer */
    bool http2;
    unsigned num_right;
    pthread_t thread;
};

static void prepare(void)
{
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *self = X509_new();
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pair);
    torture_must(secret_heap_open(1 << 20));
    torture_warm_openssl();
    bool ok = pair && self && info && X509_set_pubkey(self, pair) &&
              X509_gmtime_adj(X509_getm_notBefore(self), -60) &&
              X509_gmtime_adj(X509_getm_notAfter(self), 3600) && X509_sign(self, pair, EVP_sha256()) > 0;
    key_len = ok ? i2d_PKCS8_PRIV_KEY_INFO(info, &key) : 0;
    certificate_len = ok ? i2d_X509(self, &certificate) : 0;
    clients = SSL_CTX_new(TLS_client_method());
    torture_must(key_len > 0 && certificate_len > 0 && clients ? RESULT_OK : error_set(E_CRYPTO, "no key"));
    PKCS8_PRIV_KEY_INFO_free(info);
    X509_free(self);
    EVP_PKEY_free(pair);
}

/* ---- a client; its calls never fail ---- */

static const char *other_than(const char *name)
{
    return strcmp(name, "/one/") == 0 ? "/two/" : "/one/";
}

/* What the server answers to the request of this path. */
static void answer_to(char out[static BODY_LEN + 1], const char *path)
{
    size_t length = strlen(path);
    for (size_t at = 0; at < BODY_LEN; at++)
        out[at] = path[at % length];
    out[BODY_LEN] = 0;
}

/* Until the text has come, or so many bytes behind it, or the end; what came is a text. */
static size_t receive(SSL *tls, char *got, size_t length, const char *until, size_t behind)
{
    for (;;) {
        const char *at = strstr(got, until);
        if ((at && length >= (size_t)(at - got) + strlen(until) + behind) || length >= ANSWER_MAX - 1)
            return length;
        int n = SSL_read(tls, got + length, (int)(ANSWER_MAX - 1 - length));
        if (n <= 0)
            return length;
        length += (size_t)n;
        got[length] = 0;
    }
}

static bool ask_1(SSL *tls, const struct client *c, const char *path)
{
    static _Thread_local char got[ANSWER_MAX], wanted[BODY_LEN + 1];
    char request[256];
    int length = snprintf(request, sizeof request,
                          "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", path);
    got[0] = 0;
    if (SSL_write(tls, request, length) != length)
        return false;
    size_t got_len = receive(tls, got, 0, "\r\n\r\n", 0);
    bool is_right = strncmp(got, "HTTP/1.1 200 ", 13) == 0;
    if (is_right)
        got_len = receive(tls, got, got_len, "\r\n\r\n", BODY_LEN);
    torture_require(!strstr(got, other_than(c->name)), "%s has an answer of another's", c->name);
    torture_require(got_len == 0 || strncmp("HTTP/1.1 ", got, got_len < 9 ? got_len : 9) == 0,
                    "%s has no answer: %.40s", c->name, got);
    const char *body = strstr(got, "\r\n\r\n");
    answer_to(wanted, path);
    if (!is_right || !body)
        return false;
    size_t body_len = got_len - (size_t)(body + 4 - got);
    torture_require(body_len <= BODY_LEN && memcmp(body + 4, wanted, body_len) == 0, "%s has another answer",
                    path);
    return body_len == BODY_LEN;
}

static bool send_frame(SSL *tls, int type, int flags, uint32_t stream, const void *payload, size_t length)
{
    uint8_t frame[128] = {
        0, (uint8_t)(length >> 8), (uint8_t)length, (uint8_t)type, (uint8_t)flags, [8] = (uint8_t)stream};
    if (length > 0)
        memcpy(frame + 9, payload, length);
    return SSL_write(tls, frame, (int)(9 + length)) == (int)(9 + length);
}

static bool read_exactly(SSL *tls, void *out, size_t length)
{
    for (size_t at = 0; at < length;) {
        int n = SSL_read(tls, (uint8_t *)out + at, (int)(length - at));
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* What a frame of the answer has: more of the right one, or a refusal's words. */
static void check_body(const char *got, size_t length, size_t at, bool is_refused, const struct client *c,
                       const char *path)
{
    static _Thread_local char wanted[BODY_LEN + 1];
    answer_to(wanted, path);
    if (is_refused)
        torture_require(!memmem(got, length, other_than(c->name), strlen(other_than(c->name))),
                        "%s has an answer of another's", c->name);
    else
        torture_require(at + length <= BODY_LEN && memcmp(got, wanted + at, length) == 0,
                        "%s has another answer", path);
}

/* Frames until the stream has ended. */
static bool ask_2(SSL *tls, const struct client *c, const char *path, uint32_t stream)
{
    static _Thread_local char got[ANSWER_MAX];
    char block[80];
    uint8_t head[9];
    size_t body_len = 0;
    bool is_refused = false;
    int length = snprintf(block, sizeof block, "\x82\x87\x04%c%s\x01\x01h", (int)strlen(path), path);
    if (!send_frame(tls, H2_HEADERS, H2_END | H2_END_HEADERS, stream, block, (size_t)length))
        return false;
    while (read_exactly(tls, head, sizeof head)) {
        size_t frame_len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        torture_require(frame_len <= 16384, "a frame of %zu bytes", frame_len);
        if (frame_len > 16384 || !read_exactly(tls, got, frame_len))
            return false;
        if (head[8] != stream || (head[3] != H2_DATA && head[3] != H2_HEADERS))
            continue;
        if (head[3] == H2_HEADERS) {
            is_refused = frame_len == 0 || got[0] != H2_STATUS_200;
        } else {
            check_body(got, frame_len, body_len, is_refused, c, path);
            body_len += frame_len;
        }
        if (head[4] & H2_END)
            return !is_refused && body_len == BODY_LEN;
    }
    return false;
}

static void ask(SSL *tls, struct client *c)
{
    for (unsigned i = 0; i < REQUESTS; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "%s%u", c->name, i);
        if (!(c->http2 ? ask_2(tls, c, path, 1 + 2 * i) : ask_1(tls, c, path)))
            return;
        c->num_right++;
    }
}

static void *be_client(void *argument)
{
    struct client *c = argument;
    int fd = -1;
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    if (!torture_is_counting() && !is_patient)
        patience = (struct timeval){.tv_usec = HURRY_US}; /* not every answer will come */
    AUTO_POINTER(SSL) tls = SSL_new(clients);
    if (!net_connect(&fd, &c->address, PATIENCE_SECONDS * 1000).code) {
        (void)fcntl(fd, F_SETFL, 0);
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        static const uint8_t h2[] = {2, 'h', '2'};
        if (c->http2)
            (void)SSL_set_alpn_protos(tls, h2, sizeof h2);
        bool ok = SSL_set_fd(tls, fd) == 1 && SSL_connect(tls) == 1;
        if (ok && c->http2)
            ok = SSL_write(tls, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24) == 24 &&
                 send_frame(tls, 4, 0, 0, NULL, 0);
        if (ok)
            ask(tls, c);
        (void)close(fd);
    }
    atomic_fetch_add(&num_done, 1);
    return NULL;
}

/* ---- the server ---- */

static void handle(void *context, struct net_http_request *request)
{
    static char body[BODY_LEN + 1];
    (void)context;
    size_t length = 0;
    const char *sent = net_http_body(request, &length);
    torture_require(net_http_method(request) == NET_HTTP_GET || (length == 4 && memcmp(sent, "body", 4) == 0),
                    "a handler was given another body");
    answer_to(body, net_http_path(request));
    net_http_reply(request, 200, "text/plain", body, BODY_LEN);
}

/* Serves until so many clients have done. */
static void turn(struct event_base *base, int num_clients)
{
    while (atomic_load(&num_done) < num_clients) {
        (void)event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        torture_pause();
        (void)usleep(200);
        torture_go_on();
    }
}

static void begin(struct client *c, const struct net_address *address, const char *name, bool http2)
{
    *c = (struct client){.address = *address, .name = name, .http2 = http2};
    torture_require(pthread_create(&c->thread, NULL, be_client, c) == 0, "no thread");
}

static result open_server(struct net_http_server **ret_server, struct event_base *base, int listener)
{
    AUTO_POINTER(SSL_CTX) tls = NULL;
    TRY(net_tls_server_new(&tls, key, (size_t)key_len, certificate, (size_t)certificate_len));
    const struct net_http_config config = {.tls = tls, .handler = handle, .max_http2 = 4};
    TRY(net_http_server_new(ret_server, base, &config));
    return net_http_server_accept(*ret_server, listener);
}

struct place {
    struct net_address address;
    int listener;
    struct event_base *base;
    struct net_http_server *server;
};

static result open_place(struct place *p)
{
    torture_pause(); /* libevent ends the process when it cannot have its pipe */
    p->base = event_base_new();
    torture_go_on();
    ENSURE(p->base, E_MEMORY, "out of memory for a loop");
    return open_server(&p->server, p->base, p->listener);
}

static void close_place(struct place *p, bool accepted)
{
    net_http_server_free(p->server);
    net_loop_free(p->base);
    if (!accepted && p->listener >= 0)
        (void)close(p->listener);
    p->server = NULL;
    p->base = NULL;
    p->listener = -1;
}

static void listen_at(struct place *p, const char *folder, const char *name)
{
    p->address.family = NET_UNIX;
    (void)snprintf(p->address.host, sizeof p->address.host, "%s/%s", folder, name);
    torture_must(net_listen(&p->listener, &p->address, 16));
}

/* Nothing fails any more. */
static void serve_another(struct place *p)
{
    struct client late;
    atomic_store(&num_done, 0);
    is_patient = true;
    begin(&late, &p->address, "/one/", false);
    turn(p->base, 1);
    (void)pthread_join(late.thread, NULL);
    torture_recovered(late.num_right == REQUESTS ? RESULT_OK
                                                 : error_set(E_PEER, "%u answers", late.num_right));
}

static void act(const char *folder)
{
    struct place p = {.listener = -1};
    struct client one, two;
    atomic_store(&num_done, 0);
    is_patient = false;
    listen_at(&p, folder, "first");
    torture_begin();
    result r = open_place(&p);
    torture_pause();
    if (!r.code) {
        begin(&one, &p.address, "/one/", false);
        begin(&two, &p.address, "/two/", true);
        torture_go_on();
        turn(p.base, 2);
        torture_pause();
        (void)pthread_join(one.thread, NULL);
        (void)pthread_join(two.thread, NULL);
        torture_require(!torture_is_counting() || one.num_right + two.num_right == 2 * REQUESTS,
                        "%u and %u answers", one.num_right, two.num_right);
    } else {
        close_place(&p, false);
        listen_at(&p, folder, "second");
    }
    torture_outcome(r);
    torture_lift();
    result again = r.code ? open_place(&p) : RESULT_OK;
    torture_recovered(again);
    if (!again.code)
        serve_another(&p);
    close_place(&p, !again.code);
    torture_go_on();
    torture_end();
}

int main(void)
{
    const struct torture_scenario scenario = {
        .name = NS_TORTURE_NAME,
        .spared = "nghttp2_submit_data" /* frees twice what it could not queue */,
        .prepare = prepare,
        .act = act,
        .one_place_in = 200};
    return torture_main(&scenario);
}
