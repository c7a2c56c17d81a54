/* bench_sign.c - signatures of one message by a number of keys, together and one by one (hash and sign, by
 * blst). The two take turns, in processor time, so that whatever else the machine does meets both and costs
 * neither. Every message of a batch is new, unless --warm says that others have signed it before.
 *
 * Prints one JSON line: nanoseconds a signature, of each round.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/options.h"
#include "bls/bls.h"

enum { ROUNDS_MAX = 1000, BATCHES_A_ROUND = 8, MANY_KEYS = 10 * BLS_BATCH_MAX };

struct settings {
    uint32_t keys, rounds;
    bool warm;
};

struct bench {
    struct settings settings;
    struct bls_messages *messages;
    struct bls_batch *batch;
    uint8_t secrets[BLS_BATCH_MAX][BLS_SECRET_LEN];
    const uint8_t *list[BLS_BATCH_MAX];
    uint8_t signatures[BLS_BATCH_MAX][BLS_SIGNATURE_LEN];
    uint64_t num_messages;
    double together[ROUNDS_MAX], alone[ROUNDS_MAX];
};

static double processor_ns(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void next_message(uint8_t message[static BLS_MESSAGE_LEN], struct bench *b)
{
    b->num_messages++;
    memset(message, 0, BLS_MESSAGE_LEN);
    memcpy(message, &b->num_messages, sizeof b->num_messages);
}

static result sign_together(struct bench *b, const uint8_t message[static BLS_MESSAGE_LEN])
{
    return bls_batch_sign(b->batch, b->signatures[0], b->list, b->settings.keys, message);
}

/* As many keys as make the longest table worth it. */
static result warm_up(struct bench *b, const uint8_t message[static BLS_MESSAGE_LEN])
{
    for (size_t i = 0; i < MANY_KEYS / BLS_BATCH_MAX && b->settings.warm; i++)
        TRY(bls_batch_sign(b->batch, b->signatures[0], b->list, BLS_BATCH_MAX, message));
    return RESULT_OK;
}

static result run_round(struct bench *b, size_t round)
{
    uint8_t message[BLS_MESSAGE_LEN], one[BLS_SIGNATURE_LEN];
    double started, total = 0;
    for (size_t i = 0; i < BATCHES_A_ROUND; i++) {
        next_message(message, b);
        TRY(warm_up(b, message));
        started = processor_ns();
        TRY(sign_together(b, message));
        total += processor_ns() - started;
    }
    b->together[round] = total / BATCHES_A_ROUND / b->settings.keys;
    started = processor_ns();
    for (size_t i = 0; i < BATCHES_A_ROUND; i++) {
        next_message(message, b);
        TRY(bls_sign(one, b->list[i % b->settings.keys], message, sizeof message));
    }
    b->alone[round] = (processor_ns() - started) / BATCHES_A_ROUND;
    return RESULT_OK;
}

static result check(struct bench *b)
{
    uint8_t message[BLS_MESSAGE_LEN], one[BLS_SIGNATURE_LEN];
    next_message(message, b);
    TRY(sign_together(b, message));
    for (size_t i = 0; i < b->settings.keys; i++) {
        TRY(bls_sign(one, b->list[i], message, sizeof message));
        ENSURE(memcmp(one, b->signatures[i], sizeof one) == 0, E_INTERNAL, "signature %zu is not blst's", i);
    }
    return RESULT_OK;
}

static void print_list(const char *name, const double *values, size_t num)
{
    printf("\"%s\": [", name);
    for (size_t i = 0; i < num; i++)
        printf("%s%.0f", i ? ", " : "", values[i]);
    printf("]");
}

static result run(struct bench *b)
{
    TRY(secret_heap_open(1 << 20));
    TRY(bls_messages_new(&b->messages));
    TRY(bls_batch_new(&b->batch, b->messages));
    for (size_t i = 0; i < BLS_BATCH_MAX; i++) {
        for (size_t j = 1; j < BLS_SECRET_LEN; j++)
            b->secrets[i][j] = (uint8_t)(i * 37 + j * j * 11 + 1);
        b->list[i] = b->secrets[i];
    }
    TRY(check(b));
    for (size_t i = 0; i < b->settings.rounds; i++)
        TRY(run_round(b, i));
    printf("{\"keys\": %u, \"warm\": %s, ", b->settings.keys, b->settings.warm ? "true" : "false");
    print_list("together_ns", b->together, b->settings.rounds);
    printf(", ");
    print_list("alone_ns", b->alone, b->settings.rounds);
    printf("}\n");
    return RESULT_OK;
}

int main(int argc, char *argv[])
{
    static struct bench b = {.settings = {.keys = BLS_BATCH_MAX, .rounds = 20}};
    const struct option table[] = {
        {"keys", OPTION_U32, &b.settings.keys, "that sign the same message (32)", 1, BLS_BATCH_MAX},
        {"rounds", OPTION_U32, &b.settings.rounds, "of either kind (20)", 1, ROUNDS_MAX},
        {"warm", OPTION_FLAG, &b.settings.warm, "others have signed the message before (false)", 0, 0},
    };
    int next = 0;
    log_open("bench_sign", LOG_LEVEL_INFO);
    if (options_parse(&next, table, ARRAY_LENGTH(table), "bench_sign [options]", argc, argv).code ||
        next != argc) {
        log_error("%s", next ? "no arguments are taken" : error_text());
        return PROGRAM_EXIT_USAGE;
    }
    result r = run(&b);
    if (r.code)
        log_error("%s", error_text());
    bls_batch_free(b.batch);
    bls_messages_free(b.messages);
    return r.code ? 1 : 0;
}
