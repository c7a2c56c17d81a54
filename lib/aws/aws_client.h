/* aws_client.h - signed requests to one AWS endpoint over libcurl.
 *
 * TLS is always verified. The connection may be made through any address (the host's proxy: vsock, unix,
 * tcp); the name of the endpoint is then not resolved, and the certificate must still be the endpoint's.
 * Proxy variables of the environment, redirects, netrc and the like are off. A client serves one thread at a
 * time.
 */
#ifndef AWS_AWS_CLIENT_H
#define AWS_AWS_CLIENT_H

#include <stdatomic.h>
#include <stdint.h>

#include "aws/aws_credentials.h"
#include "aws/aws_error.h"
#include "base/buffer.h"
#include "net/net_address.h"

struct aws_client;

enum aws_protocol {
    AWS_PROTOCOL_JSON,  /* awsJson: POST /, the operation in X-Amz-Target */
    AWS_PROTOCOL_QUERY, /* awsQuery: POST /, the operation in a form, answers in XML (aws_query.h) */
    AWS_PROTOCOL_REST   /* restJson: POST to a path of the operation's */
};

/* What a service says when it refuses: aws_error_read, or aws_query_error_read. */
typedef void (*aws_error_reader)(struct aws_error *out, long http_status, const uint8_t *body,
                                 size_t body_len);

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
    /* Throttling, 5xx and lost connections are tried again with full jitter, this often in all. 0: until the
     * call's deadline, and what had no answer in time is tried again too: for calls that may be repeated. */
    unsigned attempts;
    size_t response_max; /* bytes of body; more is E_TOO_LARGE */
    enum aws_protocol protocol;
    aws_error_reader read_error; /* NULL: aws_error_read */
    const char *content_type;    /* NULL: application/x-amz-json-1.1 */
    const atomic_bool *stop; /* set by another thread: calls fail within a second, E_TIMEOUT. NULL: never */
    unsigned connections;    /* kept, and used at the same time by aws_client_call_many; 0: one */
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

/* One of many calls under way at the same time. */
struct aws_call {
    const char *target;    /* X-Amz-Target; with other protocols only the call's name in sentences */
    const char *path;      /* encoded, of AWS_PROTOCOL_REST; NULL: "/" */
    struct cursor body;    /* borrowed */
    struct buffer *answer; /* replaced by the body of the latest answer, whatever its status */
    /* Told of every complete answer but those that are tried again anyway: of a 200, and of a refusal, which
     * error then holds. What it returns is the call's outcome, unless it asks for another attempt after a
     * pause (it may replace the body before). NULL: a 200 is right, a refusal is a failure. */
    result (*answered)(struct aws_call *call, bool *ret_again);
    void *context; /* the caller's own */
    /* Out. */
    long status; /* HTTP status of the latest answer; 0: there was none */
    /* Values of the latest answer's headers x-amzn-ErrorType and X-Amz-Function-Error; "" for none. */
    char error_type[AWS_ERROR_TYPE_MAX + 1], function_error[32];
    struct aws_error error;
    result outcome;
    char text[256]; /* the sentence of a failed outcome */
};

/* Makes all calls, as many at once as there are connections, each with its own retries, until deadline_ns
 * (clock_monotonic_ns; 0: none) at the latest; each call then has its outcome, as of aws_client_call,
 * E_TIMEOUT when it was never made. RESULT_OK when all are, otherwise the first failure in the order of the
 * calls. */
must_check result aws_client_call_many(struct aws_client *client, struct aws_call *calls, size_t num_calls,
                                       const struct aws_credentials *credentials, uint64_t deadline_ns);

#endif
