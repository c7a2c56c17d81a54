/* bench_blst.c - the yardstick: threads that do nothing but hash a fresh 32-byte message to G2 and
 * multiply, which is what one signature costs with blst alone, keys and messages in the cache.
 *
 * Prints one JSON line. Calls blst itself rather than our lib/bls, so that a slip there cannot
 * move the yardstick too.
 */
#include <blst.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "bench_samples.h"

enum { THREADS_MAX = 256 };
static const char SUITE[] = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

struct worker {
    pthread_t thread;
    uint32_t index;
    uint64_t until_ns;
    uint64_t signatures;
    struct bench_samples samples;
    bool failed;
};

static void sign_once(uint8_t signature[static 96], const blst_scalar *key, const uint8_t message[static 32])
{
    blst_p2 point;
    blst_hash_to_g2(&point, message, 32, (const uint8_t *)SUITE, sizeof SUITE - 1, NULL, 0);
    blst_sign_pk_in_g1(&point, &point, key);
    blst_p2_compress(signature, &point);
}

static void *work(void *argument)
{
    struct worker *w = argument;
    uint8_t seed[32] = {1, 2, 3}, message[32] = {0}, signature[96];
    blst_scalar key;
    blst_keygen(&key, seed, sizeof seed, NULL, 0);
    message[31] = (uint8_t)w->index;
    uint64_t now = clock_monotonic_ns();
    while (now < w->until_ns) {
        memcpy(message, &w->signatures, sizeof w->signatures);
        sign_once(signature, &key, message);
        uint64_t after = clock_monotonic_ns();
        w->failed = w->failed || bench_samples_add(&w->samples, after - now).code;
        now = after;
        w->signatures++;
    }
    return NULL;
}

static result run(uint32_t threads, uint32_t milliseconds)
{
    static struct worker workers[THREADS_MAX];
    uint64_t start = clock_monotonic_ns(), signatures = 0;
    for (uint32_t i = 0; i < threads; i++) {
        workers[i] = (struct worker){.index = i, .until_ns = start + (uint64_t)milliseconds * 1000000};
        ENSURE(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0, E_IO, "no thread");
    }
    for (uint32_t i = 0; i < threads; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        ENSURE(!workers[i].failed, E_MEMORY, "no memory for samples");
        signatures += workers[i].signatures;
    }
    double seconds = (double)(clock_monotonic_ns() - start) / 1e9;
    printf(
        "{\"signed\": %llu, \"seconds\": %.4f, \"cpu_seconds\": %.4f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
        (unsigned long long)signatures, seconds, bench_cpu_seconds(),
        bench_samples_quantile(&workers[0].samples, 500), bench_samples_quantile(&workers[0].samples, 990));
    for (uint32_t i = 0; i < threads; i++)
        bench_samples_cleanup(&workers[i].samples);
    return RESULT_OK;
}

int main(int argc, char *argv[])
{
    uint32_t threads = 1, milliseconds = 1000;
    const struct option table[] = {
        {"threads", OPTION_U32, &threads, "threads that sign (1)", 1, THREADS_MAX},
        {"milliseconds", OPTION_U32, &milliseconds, "for how long (1000)", 1, 60000},
    };
    int next = 0;
    log_open("bench_blst", LOG_LEVEL_INFO);
    if (options_parse(&next, table, ARRAY_LENGTH(table), "bench_blst [options]", argc, argv).code ||
        next != argc) {
        log_error("%s", next ? "no arguments are taken" : error_text());
        return PROGRAM_EXIT_USAGE;
    }
    if (run(threads, milliseconds).code) {
        log_error("%s", error_text());
        return 1;
    }
    return 0;
}
