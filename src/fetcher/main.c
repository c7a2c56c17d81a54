/* main.c - nitro-signer-fetcher: asks AWS Secrets Manager and HashiCorp Vaults for what the loader wants.
 *
 * The loader can open no socket; this process can open no file. It holds credentials and passes values on,
 * and ends with the loader. Stand-alone only. Most loads want nothing: libcurl, the certificate authorities
 * and the threads wait for the first request. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aws/aws_client.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "base/secret_allocators.h"
#include "fetcher.h"
#include "fetcher_queue.h"

enum { LOADER_FD = 3, HEAP_LEAST = 4 << 20, HEAP_MOST = 8 << 20 };

static const char usage[] =
    "nitro-signer-fetcher [options]\n"
    "Asks AWS Secrets Manager and HashiCorp Vaults for keys. Started by a supervisor with\n"
    "the loader on descriptor 3; the options say which keys of AWS, when the loader wants all.";

static must_check result parse_options(struct fetcher_settings *s, int argc, char **argv)
{
    struct log_options log = LOG_OPTIONS_DEFAULT;
    const struct option table[] = {
        {"aws-region", OPTION_TEXT, &s->region, "region of all secrets", 0, 0},
        {"aws-endpoint", OPTION_TEXT, &s->endpoint, "https://HOST[:PORT] instead of AWS's there", 0, 0},
        {"aws-name-prefixes", OPTION_TEXT, &s->name_prefixes, "only secrets whose name begins so; a,b", 0, 0},
        {"aws-tag-keys", OPTION_TEXT, &s->tag_keys, "only secrets with such a tag", 0, 0},
        {"aws-tag-values", OPTION_TEXT, &s->tag_values, "only secrets with such a value of a tag", 0, 0},
        {"aws-environment", OPTION_FLAG, &s->environment, "all secrets: with the environment's credentials",
         0, 0},
        LOG_OPTION_ROWS(&log),
    };
    int next;
    TRY(options_parse(&next, table, ARRAY_LENGTH(table), usage, argc, argv));
    ENSURE(next == argc, E_INPUT, "takes no arguments beside options");
    return log_configure(&log);
}

/* A machine without them can still reach servers whose certificate is listed. */
static void read_authorities(struct fetcher *f)
{
    const char *bundle = getenv("AWS_CA_BUNDLE");
    result r = aws_authorities_read(&f->authorities, NULL);
    if (r.code)
        log_warn("%s", error_text());
    r = aws_authorities_read(&f->aws_authorities, bundle && *bundle ? bundle : NULL);
    if (r.code && bundle && *bundle)
        log_warn("AWS_CA_BUNDLE: %s", error_text());
}

/* All that needs files, and then the sandbox. */
static must_check result prepare(struct fetcher *f, struct fetcher_queue **ret_queue)
{
    TRY(aws_library_open());
    json_set_alloc_funcs(malloc, secret_wiping_free);
    json_object_seed(0);
    read_authorities(f);
    fetcher_access_complete(&f->access);
    TRY(fetcher_sandbox_enter());
    return fetcher_queue_start(ret_queue, f);
}

/* Nothing of a request is read before the sandbox is closed. */
static must_check result wait_for_request(int loader)
{
    struct pollfd wait = {.fd = loader, .events = POLLIN};
    int ready;
    do {
        ready = poll(&wait, 1, -1);
    } while (ready < 0 && errno == EINTR);
    ENSURE(ready == 1, E_IO, "poll: %s", strerror(errno));
    ENSURE(wait.revents & POLLIN, E_PEER, "the loader has ended");
    return RESULT_OK;
}

static must_check result receive(struct fetcher_queue *queue, int loader, struct secret *packet)
{
    size_t length = 0;
    struct ipc_message m;
    struct ipc_fetch fetch;
    TRY(ipc_receive(loader, packet->data, &length, NULL));
    TRY(ipc_open(&m, packet->data, length));
    ENSURE(m.type == IPC_FETCH, E_INPUT, "message 0x%04x instead of FETCH", (unsigned)m.type);
    TRY(ipc_take_fetch(&fetch, &m));
    result r = fetcher_queue_add(queue, &fetch);
    secret_wipe(packet->data, length);
    return r;
}

/* Until the loader ends, which is E_PEER. */
static must_check result serve(struct fetcher *f)
{
    AUTO(secret) packet = {0};
    struct fetcher_queue *queue = NULL;
    TRY(wait_for_request(f->loader));
    TRY(prepare(f, &queue));
    TRY(secret_new(&packet, IPC_PACKET_MAX));
    for (;;)
        TRY(receive(queue, f->loader, &packet));
}

static must_check result run(struct fetcher *f)
{
    TRY(process_harden());
    int flags = fcntl(f->loader, F_GETFL);
    ENSURE(flags >= 0 && fcntl(f->loader, F_SETFL, flags & ~O_NONBLOCK) == 0, E_IO,
           "descriptor 3 is not open");
    TRY(fetcher_hosts_start(&f->hosts));
    TRY(secret_openssl_wipes());
    TRY(secret_heap_open_up_to(HEAP_LEAST, HEAP_MOST));
    TRY(fetcher_access_receive(&f->access, f->loader));
    return serve(f);
}

int main(int argc, char **argv)
{
    static struct fetcher_settings settings = {.name_prefixes = "", .tag_keys = "", .tag_values = ""};
    static struct fetcher fetcher = {.loader = LOADER_FD, .settings = &settings};
    log_open("nitro-signer-fetcher", LOG_LEVEL_INFO);
    if (parse_options(&settings, argc, argv).code) {
        (void)fprintf(stderr, "nitro-signer-fetcher: %s\n", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    result r = run(&fetcher);
    bool done = r.code == E_PEER; /* the loader's end is the orderly one */
    if (!done)
        log_error("%s", error_text());
    /* Threads may be waiting for a server; what they hold ends with the process. */
    _exit(done ? 0 : 1);
}
