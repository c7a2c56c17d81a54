/* store_property.c - see store_property.h.
 *
 * Each signer is a child process that lives a while, and is killed: by its own hand at one of four steps
 * between order and answer, or by a timer anywhere. A signature has left once it is in the pipe to the
 * parent, where the judge sits; a pipe outlives its writer. Orders are made near the marks in the signer's
 * memory, since far from them nothing is decided. The signer here is the protocol in its shortest form; the
 * keeper itself is tested by tests/unit/keeper. */
#include "testing.h"

#include "store_property.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slashing/slashing_codec.h"

enum { VALIDATORS = 12, BATCH_MAX = 8, BATCHES_A_LIFE = 100, SIGNERS_MAX = 3, TIMER_US = 10000 };

/* ---- chance ---- */

static uint64_t chance_state;

static uint64_t chance_next(void)
{
    chance_state += 0x9e3779b97f4a7c15u;
    uint64_t z = chance_state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint64_t chance(uint64_t below)
{
    return chance_next() % below;
}

/* ---- what goes through the pipe ---- */

struct report {
    bool is_signature; /* else the counts of a batch */
    uint32_t validator;
    struct judge_message message;
    uint32_t orders, signed_new, repeated, refused, conflicts, unknown;
};

static int report_pipe[2], start_pipe[2]; /* all start when the latter is closed */

static void report(const struct report *r)
{
    /* Less than PIPE_BUF: whole, or not there. */
    if (write(report_pipe[1], r, sizeof *r) != (ssize_t)sizeof *r)
        _exit(3);
}

/* ---- a signer ---- */

enum step { BEFORE_RECORD, BEFORE_SIGNING, BETWEEN_ANSWERS, AFTER_ANSWERS, STEPS };

struct order {
    uint32_t validator;
    struct eth2_order order;
    uint8_t root[32];
    struct judge_message message;
    enum slashing_verdict verdict;
};

struct signer {
    struct slashing_store *store;
    const struct slashing_seal *seal; /* NULL: none */
    enum property_sabotage sabotage;
    struct slashing_entry memory[VALIDATORS];
    bool known[VALIDATORS];
    struct order last[VALIDATORS]; /* what the client asked last, and may ask again */
    bool has_last[VALIDATORS];
    int batches_left; /* until death at that step; negative: no death by its own hand */
    enum step death;
    struct report counts;
};

static void maybe_die(const struct signer *s, enum step step)
{
    if (s->batches_left == 0 && s->death == step)
        (void)raise(SIGKILL);
}

static void key_of(uint8_t out[static 48], uint32_t validator)
{
    memset(out, 0x5a, 48);
    out[0] = (uint8_t)validator;
}

static void finish_order(struct order *o, uint64_t variety)
{
    o->message.root[0] = variety;
    o->message.root[1] = o->message.source;
    o->message.root[2] = o->message.height;
    o->message.root[3] = o->message.is_block;
    memcpy(o->root, o->message.root, sizeof o->root);
}

static uint64_t less(uint64_t value, uint64_t by)
{
    return value > by ? value - by : 0;
}

static void choose_vote(struct order *o, const struct slashing_record *r)
{
    uint64_t s = r->source_epoch, t = r->target_epoch;
    switch (chance(8)) {
    case 0: /* at the mark, the same or not */
        break;
    case 1: /* as an honest client goes on */
        s = t;
        t = t + 1;
        break;
    case 2: /* around the last one */
        s = less(s, 1 + chance(3));
        t += 1 + chance(3);
        break;
    case 3: /* inside it */
        s += 1 + chance(2);
        t = less(t, 1 + chance(2));
        break;
    case 4: /* a leap */
        s += chance(5);
        t += 1 + chance(5);
        break;
    case 5: /* long ago */
        s = chance(t + 3);
        t = chance(t + 3);
        break;
    case 6: /* after its target */
        s = t + 2;
        t = t + 1;
        break;
    default: /* the target again, from elsewhere */
        s += chance(3);
        break;
    }
    o->message.source = s;
    o->message.height = t;
    o->order.kind = ETH2_ORDER_ATTESTATION;
    o->order.of.attestation.source.epoch = s;
    o->order.of.attestation.target.epoch = t;
}

static void choose_block(struct order *o, const struct slashing_record *r)
{
    o->message.is_block = true;
    o->message.height = less(r->block_slot + chance(3), chance(3));
    o->order.kind = ETH2_ORDER_BLOCK;
    o->order.of.header.slot = o->message.height;
}

static void choose_order(struct order *o, const struct signer *s, uint32_t validator)
{
    if (s->has_last[validator] && chance(5) == 0) {
        *o = s->last[validator];
        return;
    }
    *o = (struct order){.validator = validator};
    if (chance(4) == 0)
        choose_block(o, &s->memory[validator].record);
    else
        choose_vote(o, &s->memory[validator].record);
    finish_order(o, chance(2));
}

/* What another wrote into our store's records would be noticed here. */
static void check_seal(const struct signer *s, const struct slashing_entry *found,
                       const uint8_t key[static 48])
{
    if (s->seal && slashing_seal_check_entry(s->seal, found, key).code)
        _exit(5);
}

/* Reads what is not known; what was known before must be covered. */
static void learn(struct signer *s)
{
    uint8_t keys[VALIDATORS][48];
    struct slashing_entry found[VALIDATORS];
    bool all_known = true;
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        key_of(keys[i], i);
        all_known = all_known && s->known[i];
    }
    if (all_known)
        return;
    while (slashing_store_load_many(s->store, found, (const uint8_t(*)[48])keys, VALIDATORS).code)
        (void)usleep(1000);
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        if (s->known[i])
            continue;
        check_seal(s, &found[i], keys[i]);
        if (!slashing_covers(&found[i].record, &s->memory[i].record))
            _exit(4);
        s->memory[i] = found[i];
        s->known[i] = true;
    }
}

/* Stands for the MAC where there is none: different for different records. */
static void stamp_unsealed(struct slashing_stamp *out, const struct slashing_record *record)
{
    uint8_t bytes[SLASHING_RECORD_BYTES];
    uint64_t lanes[4] = {1, 2, 3, 4};
    slashing_record_encode(bytes, record);
    for (size_t i = 0; i < sizeof bytes; i++)
        lanes[i % 4] = (lanes[i % 4] ^ bytes[i]) * 0x100000001b3u;
    memcpy(out->mac, lanes, sizeof lanes);
}

static void stamp(const struct signer *s, struct slashing_advance *advance)
{
    struct slashing_entry next = {.record = advance->next};
    if (!s->seal)
        stamp_unsealed(&next.stamp, &next.record);
    else if (slashing_seal_entry(s->seal, &next, advance->pubkey).code)
        _exit(3);
    advance->next_stamp = next.stamp;
}

static const struct slashing_limits no_limits;

static void decide(struct signer *s, struct order *o, struct slashing_advance *advance)
{
    struct slashing_entry *memory = &s->memory[o->validator];
    *advance = (struct slashing_advance){.old = memory->record, .old_stamp = memory->stamp};
    key_of(advance->pubkey, o->validator);
    o->verdict = slashing_decide(&advance->next, &advance->old, &no_limits, &o->order, o->root);
    if (s->sabotage == PROPERTY_NO_RULES && !slashing_allows(o->verdict)) {
        static const struct slashing_record nothing;
        o->verdict = slashing_decide(&advance->next, &nothing, &no_limits, &o->order, o->root);
    }
    stamp(s, advance);
}

static void sign(struct signer *s, const struct order *o, bool is_new)
{
    struct report r = {.is_signature = true, .validator = o->validator, .message = o->message};
    report(&r);
    s->counts.signed_new += is_new;
    s->counts.repeated += !is_new;
    maybe_die(s, BETWEEN_ANSWERS);
}

static bool in_doubt(const struct slashing_advance *a)
{
    return !a->done && !a->conflict;
}

/* Advances, and while some have no answer, perhaps once more the same. */
static void record(struct signer *s, struct slashing_advance *advances, size_t num)
{
    for (size_t i = 0; s->sabotage == PROPERTY_NO_RECORD && i < num; i++)
        advances[i].done = true;
    if (s->sabotage == PROPERTY_NO_RECORD || num == 0)
        return;
    result r = slashing_store_advance(s->store, advances, num);
    for (size_t i = 0; i < num; i++) {
        while (r.code && in_doubt(&advances[i]) && chance(3) > 0) {
            s->counts.unknown++;
            if (!slashing_store_advance(s->store, &advances[i], 1).code)
                break;
        }
        s->counts.conflicts += advances[i].conflict;
        if (advances[i].conflict)
            check_seal(s, &advances[i].found, advances[i].pubkey);
    }
}

/* What the store holds is exactly what was to be written: by an earlier attempt, or by another signer that
 * was asked for the same. */
static bool is_as_wanted(const struct slashing_advance *a)
{
    uint8_t found[SLASHING_RECORD_BYTES], wanted[SLASHING_RECORD_BYTES];
    slashing_record_encode(found, &a->found.record);
    slashing_record_encode(wanted, &a->next);
    return a->conflict && memcmp(found, wanted, sizeof found) == 0;
}

/* What an advance came to. */
static void settle(struct signer *s, const struct order *o, const struct slashing_advance *a)
{
    struct slashing_entry *memory = &s->memory[o->validator];
    bool done = a->done || is_as_wanted(a) || (s->sabotage == PROPERTY_IGNORE_CONFLICT && a->conflict) ||
                (s->sabotage == PROPERTY_UNKNOWN_IS_DONE && in_doubt(a));
    if (done)
        *memory = (struct slashing_entry){.record = a->next, .stamp = a->next_stamp};
    else
        s->known[o->validator] = false;
    if (done && s->sabotage != PROPERTY_SIGN_FIRST)
        sign(s, o, true);
}

static size_t choose_batch(struct signer *s, struct order orders[static BATCH_MAX])
{
    size_t num = 1 + chance(BATCH_MAX);
    uint32_t first = (uint32_t)chance(VALIDATORS);
    for (size_t i = 0; i < num; i++) {
        uint32_t validator =
            (first + (uint32_t)i) % VALIDATORS; /* each once: not every store takes a key twice */
        choose_order(&orders[i], s, validator);
        s->last[validator] = orders[i];
        s->has_last[validator] = true;
    }
    return num;
}

static void one_batch(struct signer *s)
{
    struct order orders[BATCH_MAX];
    const struct order *new_ones[BATCH_MAX];
    struct slashing_advance advances[BATCH_MAX];
    size_t num_advances = 0;
    learn(s);
    size_t num = choose_batch(s, orders);
    s->counts = (struct report){.orders = (uint32_t)num};
    for (size_t i = 0; i < num; i++) {
        decide(s, &orders[i], &advances[num_advances]);
        if (orders[i].verdict == SLASHING_ALLOW_NEW)
            new_ones[num_advances++] = &orders[i];
        else if (slashing_allows(orders[i].verdict))
            sign(s, &orders[i], false);
        else
            s->counts.refused++;
    }
    for (size_t i = 0; s->sabotage == PROPERTY_SIGN_FIRST && i < num_advances; i++)
        sign(s, new_ones[i], true);
    maybe_die(s, BEFORE_RECORD);
    record(s, advances, num_advances);
    maybe_die(s, BEFORE_SIGNING);
    for (size_t i = 0; i < num_advances; i++)
        settle(s, new_ones[i], &advances[i]);
    maybe_die(s, AFTER_ANSWERS);
    report(&s->counts);
}

static void live(struct conformance_target *target, const struct property_settings *settings)
{
    struct signer s = {.sabotage = settings->sabotage, .seal = settings->seal, .batches_left = -1};
    s.store = target->open(target);
    uint64_t end = chance(5);
    if (end < 2) {
        s.batches_left = (int)chance(BATCHES_A_LIFE);
        s.death = (enum step)chance(STEPS);
    } else if (end < 4) { /* a timer: SIGALRM's way of killing is as sudden */
        uint32_t within = settings->timer_us ? settings->timer_us : TIMER_US;
        struct itimerval timer = {.it_value.tv_usec = (suseconds_t)(1 + chance(within))};
        (void)setitimer(ITIMER_REAL, &timer, NULL);
    }
    for (int i = 0; i < BATCHES_A_LIFE; i++, s.batches_left--)
        one_batch(&s);
    slashing_store_close(s.store);
}

/* ---- the parent ---- */

static void start_lives(pid_t pids[static SIGNERS_MAX], struct conformance_target *target,
                        const struct property_settings *settings)
{
    assert_int_equal(pipe(report_pipe), 0);
    assert_int_equal(pipe(start_pipe), 0);
    for (uint32_t i = 0; i < settings->signers; i++) {
        uint64_t seed = chance_next();
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            char none;
            (void)close(report_pipe[0]);
            (void)close(start_pipe[1]);
            if (read(start_pipe[0], &none, 1) != 0)
                _exit(3);
            chance_state = seed;
            live(target, settings);
            _exit(0);
        }
    }
    (void)close(report_pipe[1]);
    (void)close(start_pipe[0]);
    (void)close(start_pipe[1]);
}

static void take_report(struct property_outcome *outcome, struct judge_validator *validators,
                        const struct report *r)
{
    outcome->orders += r->orders;
    outcome->signed_new += r->signed_new;
    outcome->repeated += r->repeated;
    outcome->refused += r->refused;
    outcome->conflicts += r->conflicts;
    outcome->unknown += r->unknown;
    struct judge_message other;
    if (!r->is_signature || outcome->convicted)
        return;
    if (judge_convicts(&validators[r->validator], &other, &r->message)) {
        outcome->convicted = true;
        outcome->one = other;
        outcome->other = r->message;
    }
}

static void end_lives(struct property_outcome *outcome, const pid_t *pids,
                      const struct property_settings *settings)
{
    for (uint32_t i = 0; i < settings->signers; i++) {
        int status = 0;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        outcome->lives++;
        outcome->deaths += WIFSIGNALED(status);
        bool as_meant = WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGALRM
                                            : WEXITSTATUS(status) == 0;
        if (!as_meant && settings->sabotage == PROPERTY_SOUND) /* a broken one may notice */
            fail_msg("a signer ended with status 0x%x", (unsigned)status);
    }
}

void property_run(struct property_outcome *ret_outcome, struct conformance_target *target,
                  const struct property_settings *settings)
{
    struct judge_validator validators[VALIDATORS] = {0};
    struct property_outcome outcome = {0};
    uint8_t keys[VALIDATORS][48];
    assert_in_range(settings->signers, 1, SIGNERS_MAX);
    for (uint32_t i = 0; i < VALIDATORS; i++)
        key_of(keys[i], i);
    chance_state = settings->seed;
    target->begin(target, (const uint8_t(*)[48])keys, VALIDATORS);
    while (outcome.orders < settings->orders && !outcome.convicted) {
        pid_t pids[SIGNERS_MAX];
        struct report r;
        start_lives(pids, target, settings);
        while (read(report_pipe[0], &r, sizeof r) == (ssize_t)sizeof r)
            take_report(&outcome, validators, &r);
        (void)close(report_pipe[0]);
        end_lives(&outcome, pids, settings);
    }
    for (uint32_t i = 0; i < VALIDATORS; i++)
        judge_forget(&validators[i]);
    *ret_outcome = outcome;
}
