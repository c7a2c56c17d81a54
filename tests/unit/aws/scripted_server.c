/* scripted_server.c - see scripted_server.h. Real TLS with a certificate made on the spot: what is tested is
 * the client, down to the bytes of the wire. */
#include "testing.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <unistd.h>

#include "aws/aws_sigv4.h"
#include "base/secret.h"
#include "scripted_server.h"

enum { ACCEPT_WAIT_MS = 10000 };

static X509 *make_certificate(EVP_PKEY *key, const char *host)
{
    X509 *certificate = X509_new();
    char name[300];
    (void)snprintf(name, sizeof name, "DNS:%s", host);
    assert_true(X509_set_version(certificate, 2));
    assert_true(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1));
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), -60));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
    X509_NAME *subject = X509_get_subject_name(certificate);
    assert_true(
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0));
    assert_true(X509_set_issuer_name(certificate, subject));
    assert_true(X509_set_pubkey(certificate, key));
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, name);
    assert_true(names && X509_add_ext(certificate, names, -1));
    X509_EXTENSION_free(names);
    assert_true(X509_sign(certificate, key, EVP_sha256()));
    return certificate;
}

void scripted_server_open(struct scripted_server *server, const char *host)
{
    *server = (struct scripted_server){.folder = "/tmp/ns-aws-XXXXXX", .listener = -1};
    assert_non_null(mkdtemp(server->folder));
    (void)snprintf(server->ca_path, sizeof server->ca_path, "%s/ca.pem", server->folder);
    server->address.family = NET_UNIX;
    (void)snprintf(server->address.host, sizeof server->address.host, "%s/socket", server->folder);

    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key, host);
    FILE *file = fopen(server->ca_path, "w");
    assert_true(file && PEM_write_X509(file, certificate) && fclose(file) == 0);
    server->context = SSL_CTX_new(TLS_server_method());
    assert_true(SSL_CTX_use_certificate(server->context, certificate) == 1);
    assert_true(SSL_CTX_use_PrivateKey(server->context, key) == 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    assert_ok(net_listen(&server->listener, &server->address, 16));
}

/* Head and, by its Content-Length, body. */
static void read_request(struct scripted_server *server, SSL *tls)
{
    char piece[4096];
    buffer_consume(&server->request, server->request.length);
    for (;;) {
        const char *text = server->request.data ? (const char *)server->request.data : "";
        const char *head_end = strstr(text, "\r\n\r\n");
        const char *length_line = strcasestr(text, "\r\nContent-Length:");
        if (head_end && length_line) {
            size_t wanted = (size_t)(head_end + 4 - text) + strtoul(length_line + 17, NULL, 10);
            if (server->request.length >= wanted)
                return;
        }
        int n = SSL_read(tls, piece, sizeof piece);
        if (n <= 0 || buffer_append(&server->request, piece, (size_t)n).code)
            return;
    }
}

static void *serve(void *server_pointer)
{
    struct scripted_server *server = server_pointer;
    for (size_t i = 0; i < server->num_answers; i++) {
        struct pollfd ready = {.fd = server->listener, .events = POLLIN};
        if (poll(&ready, 1, ACCEPT_WAIT_MS) != 1)
            return NULL;
        int fd = accept(server->listener, NULL, NULL);
        SSL *tls = SSL_new(server->context);
        (void)SSL_set_fd(tls, fd);
        if (SSL_accept(tls) == 1) {
            const struct scripted_answer *answer = &server->script[i];
            read_request(server, tls);
            (void)poll(NULL, 0, answer->delay_ms);
            (void)SSL_write(tls, answer->bytes,
                            (int)(answer->bytes_len ? answer->bytes_len : strlen(answer->bytes)));
            (void)SSL_shutdown(tls);
            server->answered++;
        }
        SSL_free(tls);
        (void)close(fd);
    }
    return NULL;
}

void scripted_server_begin(struct scripted_server *server, const struct scripted_answer *script,
                           size_t num_answers)
{
    server->script = script;
    server->num_answers = num_answers;
    server->answered = 0;
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

void scripted_server_end(struct scripted_server *server)
{
    assert_int_equal(pthread_join(server->thread, NULL), 0);
}

void scripted_server_close(struct scripted_server *server)
{
    (void)close(server->listener);
    (void)unlink(server->address.host);
    (void)unlink(server->ca_path);
    (void)rmdir(server->folder);
    SSL_CTX_free(server->context);
    buffer_cleanup(&server->request);
}

void scripted_header(char *out, size_t out_capacity, const char *request, const char *name)
{
    char line[64];
    (void)snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = strstr(request, line);
    at = at ? at + strlen(line) : "";
    (void)snprintf(out, out_capacity, "%.*s", (int)strcspn(at, "\r"), at);
}

result scripted_check_signature(const char *request, const struct scripted_signer *signer)
{
    char type[64], date[64], target[64], authorization[512];
    AUTO(secret) key = {0};
    AUTO(buffer) expected = {0};
    const char *body = strstr(request, "\r\n\r\n");
    ENSURE(body, E_INPUT, "no whole request");
    scripted_header(type, sizeof type, request, "Content-Type");
    scripted_header(date, sizeof date, request, "X-Amz-Date");
    scripted_header(target, sizeof target, request, "X-Amz-Target");
    scripted_header(authorization, sizeof authorization, request, "Authorization");
    const struct aws_sigv4_header headers[] = {{"host", signer->host},
                                               {"content-type", type},
                                               {"x-amz-date", date},
                                               {"x-amz-security-token", signer->session_token},
                                               {"x-amz-target", target}};
    const struct aws_sigv4_request arrived = {.method = "POST",
                                              .path = "/",
                                              .query = "",
                                              .headers = headers,
                                              .num_headers = ARRAY_LENGTH(headers),
                                              .body = (const uint8_t *)body + 4,
                                              .body_len = strlen(body + 4)};
    const struct aws_sigv4_scope scope = {date, signer->region, signer->service};
    TRY(secret_copy(&key, signer->secret_access_key, strlen(signer->secret_access_key)));
    TRY(aws_sigv4_authorization(&expected, &arrived, &scope, signer->access_key_id, &key));
    ENSURE(strcmp(authorization, (const char *)expected.data) == 0, E_MISMATCH, "another signature");
    return RESULT_OK;
}
