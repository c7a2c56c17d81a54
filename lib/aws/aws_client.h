/* aws_client.h - signed JSON requests to one AWS endpoint over libcurl.
 *
 * TLS is always verified. The connection may be made through any address (the host's proxy: vsock, unix,
 * tcp); the name of the endpoint is then not resolved, and the certificate must still be the endpoint's.
 * Proxy variables of the environment, redirects, netrc and the like are off. A client serves one thread at a
 * time.
 */
#ifndef AWS_AWS_CLIENT_H
#define AWS_AWS_CLIENT_H

#include <stdint.h>

#include "aws/aws_credentials.h"
#include "base/buffer.h"
#include "net/net_address.h"

struct aws_client;

/* Nothing is owned; everything is copied or read by aws_client_open. */
struct aws_client_config {
    const char *endpoint;          /* https://HOST or https://HOST:PORT, without a path */
    const char *region;            /* us-east-1 */
    const char *service;           /* kms: the signing name */
    const struct net_address *via; /* where to connect instead; NULL: the endpoint itself, by DNS */
    const char *ca_file;           /* PEM of the only certificate authorities trusted; NULL: the system's */
    const struct buffer *ca_pem;   /* the same, read before by aws_authorities_read; NULL: ca_file is read */
    int connect_timeout_ms;
    int attempt_timeout_ms; /* whole exchange, connection included */
    unsigned attempts; /* at least 1; throttling, 5xx and lost connections are tried again with full jitter */
    size_t response_max; /* bytes of body; more is E_TOO_LARGE */
};

/* Once a process, before threads: libcurl, with an allocator that wipes what it frees, because requests may
 * carry plaintext. */
must_check result aws_library_open(void);

/* Appends the PEM of the certificate authorities in ca_file, or of the system's when it is NULL: once, at the
 * start, so that a sandbox may close the file system before the first client is opened. */
must_check result aws_authorities_read(struct buffer *out, const char *ca_file);

/* E_INPUT names what is wrong with the configuration. */
must_check result aws_client_open(struct aws_client **ret_client, const struct aws_client_config *config);
void aws_client_close(struct aws_client *client);

/* POSTs body (JSON) with X-Amz-Target: target and replaces the contents of response with the answer of a 200.
 * E_DENIED, E_AUTH, E_NOT_FOUND, ... as aws_error.h maps the service's refusals; E_AUTH too for a certificate
 * that does not verify; E_TIMEOUT, E_IO (no connection), E_TOO_LARGE, E_PEER. The caller wipes response if it
 * could hold a secret. */
must_check result aws_client_call(struct aws_client *client, struct buffer *response, const char *target,
                                  const struct aws_credentials *credentials, const uint8_t *body,
                                  size_t body_len);

#endif
