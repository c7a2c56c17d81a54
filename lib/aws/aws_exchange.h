/* aws_exchange.h - one attempt at one request, on a libcurl handle that is kept; used by aws_client.c and
 * aws_calls.c. */
#ifndef AWS_AWS_EXCHANGE_H
#define AWS_AWS_EXCHANGE_H

#include <curl/curl.h>

#include "aws/aws_client.h"
#include "aws/aws_connect.h"

/* Whom all exchanges of a client are with. */
struct aws_endpoint {
    char url[320]; /* with the last slash */
    enum aws_protocol protocol;
    char host[300]; /* the Host header */
    char region[64], service[64], content_type[64];
};

struct aws_exchange {
    CURL *curl;
    struct aws_connect connect;
    /* of the attempt under way */
    struct aws_call *call; /* NULL: none */
    struct curl_slist *headers;
    size_t answer_max;
    enum error_code answer_failure; /* why the answer was not taken */
    char curl_text[CURL_ERROR_SIZE];
};

/* Takes the URL apart, so that the host we sign is the host we ask for. E_INPUT. */
must_check result aws_endpoint_set(struct aws_endpoint *endpoint, const char *url);

/* ca_pem and the exchange itself must stay where they are until it is cleaned up. */
must_check result aws_exchange_open(struct aws_exchange *exchange, const struct aws_endpoint *endpoint,
                                    const struct aws_client_config *config, const struct buffer *ca_pem);
void aws_exchange_cleanup(struct aws_exchange *exchange);

struct aws_attempt {
    struct aws_call *call; /* it and its body must stay until the end */
    long timeout_ms;
    bool fresh; /* over a new connection */
};
/* Signs, and makes the handle ready to be performed. */
must_check result aws_exchange_begin(struct aws_exchange *exchange, const struct aws_endpoint *endpoint,
                                     const struct aws_credentials *credentials,
                                     const struct aws_attempt *attempt);

/* What became of it: RESULT_OK means that there is an answer, of whatever status. */
struct aws_outcome {
    bool lost;      /* no answer, because a connection was lost or never made */
    bool timed_out; /* no answer in time; or lost where TLS was being begun */
};
must_check result aws_exchange_end(struct aws_exchange *exchange, struct aws_outcome *ret_outcome,
                                   const struct aws_endpoint *endpoint, CURLcode code);
/* Gives it up, without an outcome; it can begin again. */
void aws_exchange_abandon(struct aws_exchange *exchange);

#endif
