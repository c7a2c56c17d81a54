/* keeper_sign.c - THE GATE. Nothing is signed anywhere else.
 *
 * The order of the steps is the argument:
 *   1. decide()  the signing root is computed here, from the fields that are checked; a client's own root is
 *                compared and never used. What may be signed only once it is recorded gets a request to the
 *                store, and waits in that request's list;
 *   2. record    the requests are made. Only their answer "done" - durable - brings an order to the list
 *                signable; what rests on anything else is decided anew, or answered "store cannot answer";
 *   3. sign()    takes from signable, asks of each once more whether the durable record excludes that this is
 *                new, and has the root of step 1 signed; those with the same root together, which is faster.
 *
 * All of that is one thread's. In step 3 alone others help (keeper_pool.c): after the last question they are
 * given a root and secrets, and write signatures; step 3 does not end before the last of them is done, so
 * that no key changes or goes under their hands. While step 2 waits for the store, they hash roots of what is
 * being recorded (keeper_ahead.c): a hash takes no key, and is no answer to anybody.
 *
 * Orders that arrive together share a transaction or a packet; each is decided as if those before it that it
 * rests on had been signed already. SQLite answers within step 2; a store across a network between two turns
 * of the loop, in any order: step 3 cannot tell, and need not. Rejected: sign first and drop the signature if
 * recording fails - a crash in between could sign twice.
 *
 * Extensions are the one thing that is signed as it came, without a root of ours and without a record. Every
 * message of the chain is signed by its root, 32 bytes; a signature of 33 bytes or more is the signature of
 * no root, whatever the bytes are, because the hash to the curve takes the message with its length. That
 * length is asked for here, and that it is a JSON object, as the front has understood it. */
#include "keeper_sign.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "ecdsa/ecdsa.h"
#include "eth2/eth2_commit_boost.h"

/* By each thread in one turn: others are heard, and the store's answers taken, between a few signatures. */
enum { SIGNED_TOGETHER = BLS_BATCH_MAX };
/* Answers to messages of their own, each of which takes as long to sign as ten of one message. */
enum { ANSWERED_TOGETHER = 4 };

_Static_assert((int)IPC_VERDICT_FIRST == SLASHING_REFUSE_FIRST &&
                   (int)IPC_VERDICT_LAST == SLASHING_REFUSE_LAST,
               "the refusals that an answer can carry");

static void refuse_slashable(const struct keeper *k, struct keeper_order *order,
                             enum slashing_verdict verdict, const struct keeper_key *key)
{
    struct ipc_answer *answer = &order->answer;
    /* What waits for a request that was sent is not decided. */
    const struct slashing_record *record = key->request ? &key->request->advance.next : &key->record;
    answer->status = IPC_ANSWER_SLASHABLE;
    answer->verdict = (uint8_t)verdict;
    answer->has_recorded_block = record->has_block;
    answer->recorded_slot = record->block_slot;
    answer->has_recorded_attestation = record->has_attestation;
    answer->recorded_source = record->source_epoch;
    answer->recorded_target = record->target_epoch;
    answer->has_limit = slashing_limit_height(&answer->limit, verdict, &k->store.limits, order->order.kind);
}

/* False: refused, the status says why. */
static bool examine(struct keeper *k, struct keeper_key **ret_key, struct keeper_order *order)
{
    struct ipc_answer *answer = &order->answer;
    *answer = (struct ipc_answer){.id = answer->id, .status = IPC_ANSWER_LATE};
    if (order->until_ns <= clock_monotonic_ns())
        return false;
    answer->status = IPC_ANSWER_BAD_ORDER;
    if (eth2_order_recall_root(answer->signing_root, &k->roots, &k->policy.network, &order->order).code)
        return false;
    answer->status = IPC_ANSWER_ROOT_DIFFERS;
    if (order->order.has_client_root &&
        memcmp(order->order.client_root, answer->signing_root, ETH2_ROOT_LEN) != 0)
        return false;
    answer->status = IPC_ANSWER_UNKNOWN_KEY;
    *ret_key = keeper_keys_find(k->keys, order->order.pubkey);
    return *ret_key;
}

/* False: nothing more can be decided before the store has answered. */
static bool decide(struct keeper *k, struct keeper_order *order)
{
    struct keeper_decision decision = {0};
    struct keeper_key *key = NULL;
    if (!examine(k, &key, order)) {
        keeper_answer(k, order);
        return true;
    }
    order->answer.status = IPC_ANSWER_STORE;
    if (k->store.broken || keeper_store_decide(k, &decision, key, order).code) {
        keeper_answer(k, order);
        return true;
    }
    if (!slashing_allows(decision.verdict))
        refuse_slashable(k, order, decision.verdict, key);
    if (decision.wait_in)
        keeper_orders_move(&k->orders, order, decision.wait_in);
    else if (order->answer.status == IPC_ANSWER_SLASHABLE)
        keeper_answer(k, order);
    else
        keeper_orders_make_signable(&k->orders, order);
    return !decision.is_held_up;
}

static bool decide_ready(struct keeper *k)
{
    struct keeper_order_list deciding = TAILQ_HEAD_INITIALIZER(deciding);
    struct keeper_order *order;
    bool goes_on = true;
    keeper_orders_move_all(&k->orders, &deciding, &k->orders.ready);
    while (goes_on && (order = TAILQ_FIRST(&deciding)))
        goes_on = decide(k, order);
    keeper_orders_move_all(&k->orders, &k->orders.ready, &deciding);
    return goes_on;
}

/* The last question, asked of each order by itself. False: the status says why not. */
static bool may_be_signed(const struct keeper *k, const uint8_t **ret_secret, struct keeper_order *order)
{
    const struct keeper_key *key = keeper_keys_find(k->keys, order->order.pubkey);
    order->answer.status = IPC_ANSWER_LATE;
    if (order->until_ns <= clock_monotonic_ns())
        return false;
    order->answer.status = IPC_ANSWER_UNKNOWN_KEY; /* gone since it was decided */
    if (!key)
        return false;
    order->answer.status = IPC_ANSWER_STORE;
    if (k->store.broken || !keeper_store_has_recorded(k, key, order))
        return false;
    *ret_secret = keeper_keys_secret(k->keys, key);
    return true;
}

/* What one turn signs: orders in groups, each of one root, and groups in jobs. */
struct signing {
    struct keeper *k;
    size_t num_orders, num_groups, num_jobs;
    struct keeper_order *orders[KEEPER_JOBS_MAX];
    const uint8_t *secrets[KEEPER_JOBS_MAX];
    uint8_t signatures[KEEPER_JOBS_MAX][BLS_SIGNATURE_LEN];
    struct {
        size_t first, num; /* of the orders */
    } groups[KEEPER_JOBS_MAX];
    struct keeper_job jobs[KEEPER_JOBS_MAX];
};

/* The first of the orders, and of the others those with the same root. */
static void take_alike(struct signing *s, struct keeper_order_list *taken, struct keeper_order_list *orders)
{
    struct keeper_order *order, *next;
    uint8_t root[ETH2_ROOT_LEN];
    size_t first = s->num_orders;
    memcpy(root, TAILQ_FIRST(orders)->answer.signing_root, sizeof root);
    for (order = TAILQ_FIRST(orders); order; order = next) {
        next = TAILQ_NEXT(order, in_list);
        if (memcmp(order->answer.signing_root, root, sizeof root) != 0)
            continue;
        if (may_be_signed(s->k, &s->secrets[s->num_orders], order)) {
            s->orders[s->num_orders++] = order;
            keeper_orders_move(&s->k->orders, order, taken);
        } else {
            keeper_answer(s->k, order);
        }
    }
    s->groups[s->num_groups].first = first;
    s->groups[s->num_groups].num = s->num_orders - first;
    s->num_groups += s->num_orders > first;
}

/* Threads that no other root keeps busy share what is alike. */
static void make_jobs(struct signing *s)
{
    bool shares = s->num_groups < keeper_pool_num_threads(s->k->pool);
    for (size_t i = 0; i < s->num_groups; i++) {
        size_t first = s->groups[i].first, num = s->groups[i].num, end = first + num;
        size_t most = shares ? keeper_pool_share(s->k->pool, num) : BLS_BATCH_MAX;
        for (; first < end; first += most) {
            struct keeper_job *job = &s->jobs[s->num_jobs++];
            *job = (struct keeper_job){.secrets = &s->secrets[first],
                                       .signatures = s->signatures[first],
                                       .num = end - first < most ? end - first : most,
                                       .num_alike = num,
                                       .owner = &s->orders[first]};
            memcpy(job->message, s->orders[first]->answer.signing_root, sizeof job->message);
        }
    }
}

/* The front works on these while others are signed. */
static void answer_job(void *context, struct keeper_job *job)
{
    struct signing *s = context;
    struct keeper_order **orders = job->owner;
    bool ok = !job->outcome.code;
    if (!ok)
        log_error("signing failed: %s", job->why);
    for (size_t i = 0; i < job->num; i++) {
        orders[i]->answer.status = ok ? IPC_ANSWER_SIGNED : IPC_ANSWER_INTERNAL;
        if (ok)
            memcpy(orders[i]->answer.signature, job->signatures + i * BLS_SIGNATURE_LEN, BLS_SIGNATURE_LEN);
        keeper_answer(s->k, orders[i]);
    }
    if (job->num == 1 && s->num_jobs > ANSWERED_TOGETHER && s->k->num_answers >= ANSWERED_TOGETHER)
        keeper_send_answers(s->k);
}

static void sign(struct keeper *k)
{
    static struct signing signing; /* large; without an initialiser, see main */
    struct signing *s = &signing;
    struct keeper_order_list wanted = TAILQ_HEAD_INITIALIZER(wanted), taken = TAILQ_HEAD_INITIALIZER(taken);
    s->k = k;
    s->num_orders = s->num_groups = s->num_jobs = 0;
    keeper_orders_take_signable(&k->orders, &wanted, SIGNED_TOGETHER * keeper_pool_num_threads(k->pool));
    while (!TAILQ_EMPTY(&wanted))
        take_alike(s, &taken, &wanted);
    make_jobs(s);
    keeper_pool_sign(k->pool, s->jobs, s->num_jobs, answer_job, s);
}

_Static_assert((int)IPC_EXTENSION_MIN > (int)ETH2_ROOT_LEN, "an extension is longer than a signing root");

static bool is_no_root(const struct ipc_bytes *payload)
{
    return payload->length >= IPC_EXTENSION_MIN && payload->length <= IPC_EXTENSION_MAX &&
           payload->data[0] == '{' && payload->data[payload->length - 1] == '}';
}

/* What no record is due for: its caller has made sure that it is in no domain of the chain's. */
static enum ipc_answer_status sign_unrecorded(struct keeper *k,
                                              uint8_t ret_signature[static BLS_SIGNATURE_LEN],
                                              const uint8_t *pubkey, const uint8_t *message,
                                              size_t message_len)
{
    const struct keeper_key *key = keeper_keys_find(k->keys, pubkey);
    if (!key)
        return IPC_ANSWER_UNKNOWN_KEY;
    if (!bls_sign(ret_signature, keeper_keys_secret(k->keys, key), message, message_len).code)
        return IPC_ANSWER_SIGNED;
    log_error("signing failed: %s", error_text());
    return IPC_ANSWER_INTERNAL;
}

enum ipc_answer_status keeper_sign_extension(struct keeper *k,
                                             uint8_t ret_signature[static BLS_SIGNATURE_LEN],
                                             const struct ipc_extension_sign *wanted)
{
    memset(ret_signature, 0, BLS_SIGNATURE_LEN);
    if (!k->signs_extensions || !is_no_root(&wanted->payload))
        return IPC_ANSWER_BAD_ORDER;
    if (k->store.broken)
        return IPC_ANSWER_STORE;
    return sign_unrecorded(k, ret_signature, wanted->pubkey, wanted->payload.data, wanted->payload.length);
}

static enum ipc_answer_status sign_by_proxy(const struct keeper *k, uint8_t *ret_signature, uint32_t *ret_len,
                                            const struct ipc_boost_sign *wanted, const uint8_t *root)
{
    const struct keeper_proxies *proxies = &k->boost.proxies;
    const struct keeper_proxy *proxy = keeper_proxies_find(proxies, wanted->scheme, wanted->pubkey);
    if (!proxy || !keeper_keys_find(k->keys, proxy->delegator))
        return IPC_ANSWER_UNKNOWN_KEY;
    const uint8_t *secret = keeper_proxies_secret(proxies, proxy);
    bool is_ecdsa = wanted->scheme == IPC_SCHEME_ECDSA;
    result r = is_ecdsa ? ecdsa_sign(ret_signature, secret, root, ETH2_ROOT_LEN)
                        : bls_sign(ret_signature, secret, root, ETH2_ROOT_LEN);
    if (r.code)
        return IPC_ANSWER_INTERNAL;
    *ret_len = is_ecdsa ? ECDSA_SIGNATURE_LEN : BLS_SIGNATURE_LEN;
    return IPC_ANSWER_SIGNED;
}

/* Objects of modules are in a domain of their own, so no record is due for them; what a module's object
 * commits the validator to is between the two. */
enum ipc_answer_status keeper_sign_boost(struct keeper *k, uint8_t ret_signature[static IPC_SIGNATURE_MAX],
                                         uint32_t *ret_len, const struct ipc_boost_sign *wanted)
{
    uint8_t root[ETH2_ROOT_LEN];
    *ret_len = 0;
    if (!k->has_commit_boost || eth2_commit_boost_root(root, &k->policy.network, wanted->object_root).code)
        return IPC_ANSWER_BAD_ORDER;
    if (k->store.broken)
        return IPC_ANSWER_STORE;
    if (wanted->scheme != IPC_SCHEME_CONSENSUS)
        return sign_by_proxy(k, ret_signature, ret_len, wanted, root);
    enum ipc_answer_status status = sign_unrecorded(k, ret_signature, wanted->pubkey, root, sizeof root);
    *ret_len = status == IPC_ANSWER_SIGNED ? BLS_SIGNATURE_LEN : 0;
    return status;
}

enum ipc_answer_status keeper_sign_delegation(struct keeper *k,
                                              uint8_t ret_signature[static BLS_SIGNATURE_LEN],
                                              const struct ipc_proxy *proxy)
{
    uint8_t object[ETH2_ROOT_LEN];
    uint32_t length = 0;
    memset(ret_signature, 0, BLS_SIGNATURE_LEN);
    eth2_delegation_root(object, proxy->delegator, proxy->pubkey, ipc_scheme_pubkey_len(proxy->scheme));
    return keeper_sign_boost(k, ret_signature, &length,
                             &(struct ipc_boost_sign){.scheme = IPC_SCHEME_CONSENSUS,
                                                      .pubkey = proxy->delegator,
                                                      .object_root = object});
}

bool keeper_sign(struct keeper *k)
{
    bool goes_on = true;
    /* What piles up while a file's batch is signed shares the next fsync; so does what one batch of a client
     * brings in several packets. */
    bool is_piling_up = !keeper_store_is_remote(&k->store) && keeper_orders_lone_are_due(&k->orders);
    if (!is_piling_up && !keeper_is_gathering(k)) {
        keeper_limits_update(&k->store.limits, &k->policy);
        goes_on = decide_ready(k);
        keeper_store_record(k);
    }
    sign(k);
    return keeper_orders_are_signable(&k->orders) ||
           (goes_on && !TAILQ_EMPTY(&k->orders.ready) && !keeper_is_gathering(k));
}
