/* handshakes.c - BearSSL, by which Nimbus speaks TLS: a connection and a whole handshake for each request.
 *
 *   handshakes PORT POINT COUNT RESUME < request
 *
 * POINT is the server's P-256 key as hex: BearSSL is given the key and not an authority, since how it trusts
 * is not what is looked at. With RESUME 1 each handshake offers the session of the one before. A line for
 * each answer: the version as hex, the suite as hex, whether a session was resumed, the status, and the body.
 */
#include <arpa/inet.h>
#include <bearssl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POINT_LEN = 65, REQUEST_MAX = 65536, ANSWER_MAX = 16384 };

static int receive(void *context, unsigned char *out, size_t size)
{
    ssize_t got = read(*(int *)context, out, size);
    return got > 0 ? (int)got : -1;
}

static int transmit(void *context, const unsigned char *data, size_t size)
{
    ssize_t sent = write(*(int *)context, data, size);
    return sent > 0 ? (int)sent : -1;
}

static int dial(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    /* As Nimbus does: BearSSL writes the end of its handshake in three pieces. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

/* One request on a connection of its own; false if TLS has failed. */
static bool exchange(br_ssl_client_context *client, int fd, const char *request, size_t request_len,
                     char answer[static ANSWER_MAX])
{
    br_sslio_context io;
    size_t length = 0;
    br_sslio_init(&io, &client->eng, receive, &fd, transmit, &fd);
    if (br_sslio_write_all(&io, request, request_len) < 0 || br_sslio_flush(&io) < 0)
        return false;
    for (int got = 1; got > 0 && length<ANSWER_MAX - 1; length += got> 0 ? (size_t)got : 0)
        got = br_sslio_read(&io, answer + length, ANSWER_MAX - 1 - length);
    answer[length] = 0;
    return length > 0;
}

int main(int argc, char **argv)
{
    static unsigned char buffer[BR_SSL_BUFSIZE_BIDI];
    static char request[REQUEST_MAX], answer[ANSWER_MAX];
    unsigned char point[POINT_LEN];
    br_ssl_client_context client;
    br_x509_minimal_context unused;
    br_x509_knownkey_context known;
    br_ssl_session_parameters before = {.session_id_len = 0};
    if (argc != 5 || strlen(argv[2]) != 2 * sizeof point)
        return 2;
    for (size_t i = 0; i < sizeof point; i++)
        point[i] = (unsigned char)strtoul((char[]){argv[2][2 * i], argv[2][2 * i + 1], 0}, NULL, 16);
    size_t request_len = fread(request, 1, sizeof request, stdin);
    br_ec_public_key key = {.curve = BR_EC_secp256r1, .q = point, .qlen = sizeof point};
    br_x509_knownkey_init_ec(&known, &key, BR_KEYTYPE_SIGN | BR_KEYTYPE_KEYX);
    br_ssl_client_init_full(&client, &unused, NULL, 0);
    br_ssl_engine_set_x509(&client.eng, &known.vtable);
    br_ssl_engine_set_buffer(&client.eng, buffer, sizeof buffer, 1);
    for (unsigned long left = strtoul(argv[3], NULL, 10); left > 0; left--) {
        br_ssl_session_parameters now;
        int fd = dial(argv[1]);
        if (fd < 0 || !br_ssl_client_reset(&client, "localhost", argv[4][0] == '1') ||
            !exchange(&client, fd, request, request_len, answer)) {
            fprintf(stderr, "BearSSL's error %d\n", br_ssl_engine_last_error(&client.eng));
            return 1;
        }
        close(fd);
        br_ssl_engine_get_session_parameters(&client.eng, &now);
        bool resumed = now.session_id_len > 0 && now.session_id_len == before.session_id_len &&
                       memcmp(now.session_id, before.session_id, now.session_id_len) == 0;
        const char *body = strstr(answer, "\r\n\r\n");
        printf("%04x %04x %d %.3s %s\n", now.version, now.cipher_suite, resumed, answer + strlen("HTTP/1.1 "),
               body ? body + 4 : "");
        before = now;
    }
    return 0;
}
