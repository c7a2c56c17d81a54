/* scripted_server.h - an HTTPS server on a unix socket that answers with the bytes a test prescribes, one
 * connection an answer, in a thread of its own. */
#ifndef SCRIPTED_SERVER_H
#define SCRIPTED_SERVER_H

#include <openssl/ssl.h>
#include <pthread.h>

#include "base/buffer.h"
#include "base/result.h"
#include "net/net_address.h"

enum { SCRIPT_MAX = 8 };

struct scripted_answer {
    const char *bytes; /* whole HTTP response */
    size_t bytes_len;  /* 0: strlen(bytes) */
    int delay_ms;      /* before it is sent */
};

struct scripted_server {
    char folder[64];
    char ca_path[128];
    struct net_address address;
    int listener;
    SSL_CTX *context;
    pthread_t thread;
    const struct scripted_answer *script;
    size_t num_answers;
    size_t answered;
    struct buffer request; /* the latest one, head and body */
};

/* Makes a folder, a certificate for host, and a listener. */
void scripted_server_open(struct scripted_server *server, const char *host);
/* Serves one connection for each answer of the script. */
void scripted_server_begin(struct scripted_server *server, const struct scripted_answer *script,
                           size_t num_answers);
/* Waits until the script is over. */
void scripted_server_end(struct scripted_server *server);
void scripted_server_close(struct scripted_server *server);

/* The value of a header of a request; "" for none. */
void scripted_header(char *out, size_t out_capacity, const char *request, const char *name);

/* Whose signature a request must have. */
struct scripted_signer {
    const char *host, *region, *service, *access_key_id, *secret_access_key, *session_token;
};
/* SigV4 again, of a whole POST as it has arrived: E_MISMATCH when it is not what the request says. */
must_check result scripted_check_signature(const char *request, const struct scripted_signer *signer);

#endif
