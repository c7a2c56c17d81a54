/* keeper_courier.c - see keeper_courier.h. */
#include "keeper_courier.h"

#include <poll.h>

enum { PATIENCE_MS = 20000, NAMED = 48 + SLASHING_ENTRY_BYTES };

static uint8_t packet[IPC_PACKET_MAX];

static struct packer begin(void)
{
    return (struct packer){.data = packet, .capacity = sizeof packet};
}

void courier_seal_head(struct courier *c)
{
    if (c->is_sealed)
        assert_ok(slashing_seal_head(&c->seal, &c->head));
}

void courier_open(struct courier *c, struct rig *rig, bool is_sealed)
{
    struct secret key = {0};
    memset(c, 0, sizeof *c);
    c->is_sealed = rig->has_courier = true;
    c->is_sealed = is_sealed;
    assert_ok(policy_set_store(&rig->policy, is_sealed ? "dynamodb:111122223333/table" : "postgresql"));
    if (!is_sealed)
        return;
    for (uint8_t i = 0; i < sizeof c->key; i++)
        c->key[i] = (uint8_t)(3 * i + 1);
    assert_ok(secret_copy(&key, c->key, sizeof c->key));
    assert_ok(slashing_seal_open(&c->seal, &key, (const uint8_t *)"a store's own id"));
    assert_ok(slashing_seal_identity(rig->policy.store_identity, &c->seal));
    rig->policy.has_store_identity = true;
    c->head = (struct slashing_head){.has_genesis = true, .generation = 7};
    memset(c->head.genesis_validators_root, 0x21, 32);
    courier_seal_head(c);
}

void courier_close(struct courier *c)
{
    slashing_seal_cleanup(&c->seal);
    for (size_t i = 0; i < c->num_kept; i++)
        buffer_cleanup(&c->kept[i]);
}

static struct slashing_enrolment *find(struct courier *c, const uint8_t *pubkey)
{
    for (size_t i = 0; i < c->num_rows; i++)
        if (memcmp(c->rows[i].pubkey, pubkey, 48) == 0)
            return &c->rows[i];
    return NULL;
}

struct slashing_enrolment *courier_row(struct courier *c, uint32_t key)
{
    return find(c, rig_pubkey(key));
}

static struct slashing_enrolment *add_row(struct courier *c, const uint8_t *pubkey)
{
    assert_in_range(c->num_rows, 0, COURIER_ROWS_MAX - 1);
    struct slashing_enrolment *row = &c->rows[c->num_rows++];
    *row = (struct slashing_enrolment){0};
    memcpy(row->pubkey, pubkey, 48);
    return row;
}

void courier_write(struct courier *c, uint32_t key, const struct slashing_record *record, uint64_t generation)
{
    struct slashing_enrolment *row = courier_row(c, key);
    if (!row) {
        row = add_row(c, rig_pubkey(key));
        c->head.num_validators += c->is_sealed;
        courier_seal_head(c);
    }
    row->entry = (struct slashing_entry){.record = *record, .stamp.generation = generation};
    if (c->is_sealed)
        assert_ok(slashing_seal_entry(&c->seal, &row->entry, row->pubkey));
}

static bool entries_equal(const struct slashing_entry *a, const uint8_t *bytes)
{
    uint8_t encoded[SLASHING_ENTRY_BYTES];
    slashing_entry_encode(encoded, a);
    return memcmp(encoded, bytes, sizeof encoded) == 0;
}

static void send_head(struct courier *c, struct rig *rig)
{
    uint8_t bytes[SLASHING_HEAD_BYTES];
    struct packer p = begin();
    c->num_heads++;
    slashing_head_encode(bytes, &c->head);
    ipc_pack_store_head(&p, &(struct ipc_store_head){.status = c->status,
                                                     .head = bytes,
                                                     .text = {(const uint8_t *)"its why",
                                                              c->status == IPC_STORE_HEAD_FAILED ? 7 : 0}});
    rig_send(rig->courier, &p);
}

static bool set_head(struct courier *c, const struct ipc_store_head_set *set)
{
    uint8_t bytes[SLASHING_HEAD_BYTES];
    slashing_head_encode(bytes, &c->head);
    if (memcmp(bytes, set->old, sizeof bytes) != 0)
        return false;
    for (uint32_t i = 0; i < set->num_enrolments; i++)
        if (find(c, set->enrolments + (size_t)i * NAMED))
            return false;
    for (uint32_t i = 0; i < set->num_enrolments; i++) {
        const uint8_t *named = set->enrolments + (size_t)i * NAMED;
        assert_ok(slashing_entry_decode(&add_row(c, named)->entry, named + 48));
    }
    assert_ok(slashing_head_decode(&c->head, set->next));
    return true;
}

static void answer_head_set(struct courier *c, struct rig *rig, struct ipc_message *m)
{
    struct ipc_store_head_set set;
    enum ipc_store_outcome outcome = IPC_STORE_OPEN_OUTCOME;
    assert_ok(ipc_take_store_head_set(&set, m));
    c->num_head_sets++;
    if (c->head_sets == COURIER_HONEST || c->head_sets == COURIER_FORGETS)
        outcome = set_head(c, &set) ? IPC_STORE_DONE : IPC_STORE_CONFLICT;
    if (c->head_sets == COURIER_FORGETS)
        outcome = IPC_STORE_OPEN_OUTCOME;
    struct packer p = begin();
    ipc_pack_store_head_is_set(&p, &(struct ipc_store_head_is_set){.id = set.id, .outcome = outcome});
    rig_send(rig->courier, &p);
}

static void put_entry(uint8_t *out, const uint8_t *pubkey, const struct slashing_entry *entry)
{
    memcpy(out, pubkey, 48);
    slashing_entry_encode(out + 48, entry);
}

/* All rows, or those that are asked for; in packets of 100. */
static void answer_load(struct courier *c, struct rig *rig, struct ipc_message *m)
{
    static uint8_t entries[100 * NAMED], pubkeys[IPC_STORE_LOAD_MAX][48];
    static const struct slashing_entry none;
    struct ipc_store_load load;
    assert_ok(ipc_take_store_load(&load, m));
    c->num_loads++;
    if (load.num_keys)
        memcpy(pubkeys, load.pubkeys, (size_t)load.num_keys * 48);
    size_t total = load.num_keys ? load.num_keys : c->num_rows, sent = 0;
    bool fails = c->loads != COURIER_HONEST;
    do {
        uint32_t num = fails ? 0 : (uint32_t)(total - sent < 100 ? total - sent : 100);
        for (uint32_t i = 0; i < num; i++) {
            const uint8_t *pubkey = load.num_keys ? pubkeys[sent + i] : c->rows[sent + i].pubkey;
            const struct slashing_enrolment *row = find(c, pubkey);
            put_entry(entries + (size_t)i * NAMED, pubkey, row ? &row->entry : &none);
        }
        sent += num;
        struct packer p = begin();
        ipc_pack_store_entries(&p, &(struct ipc_store_entries){.id = load.id,
                                                               .status = fails ? IPC_STORE_LOAD_FAILED
                                                                         : sent == total ? IPC_STORE_LAST
                                                                                         : IPC_STORE_MORE,
                                                               .entries = entries,
                                                               .num_entries = num});
        rig_send(rig->courier, &p);
    } while (!fails && sent < total);
}

static enum ipc_store_outcome advance(struct courier *c, const struct ipc_store_advance *a,
                                      struct slashing_entry *ret_found)
{
    struct slashing_enrolment *row = find(c, a->pubkey);
    if (!row)
        row = add_row(c, a->pubkey); /* PostgreSQL: as if it had an empty record */
    *ret_found = row->entry;
    if (!entries_equal(&row->entry, a->old))
        return entries_equal(&row->entry, a->next) ? IPC_STORE_DONE : IPC_STORE_CONFLICT;
    assert_ok(slashing_entry_decode(&row->entry, a->next));
    return IPC_STORE_DONE;
}

void courier_send_advanced(struct rig *rig, const struct ipc_store_advanced *advanced)
{
    struct packer p = begin();
    ipc_begin(&p, IPC_STORE_ADVANCED, 1);
    ipc_pack_store_advanced(&p, advanced);
    rig_send(rig->courier, &p);
}

static void answer_advances(struct courier *c, struct rig *rig, struct ipc_message *m,
                            enum courier_habit habit)
{
    static uint8_t answers[IPC_PACKET_MAX];
    struct packer p = {.data = answers, .capacity = sizeof answers};
    ipc_begin(&p, IPC_STORE_ADVANCED, m->count);
    c->num_packets++;
    for (uint32_t i = 0; i < m->count; i++) {
        struct ipc_store_advance a;
        struct slashing_entry found = {0};
        uint8_t bytes[SLASHING_ENTRY_BYTES];
        enum ipc_store_outcome outcome = IPC_STORE_OPEN_OUTCOME;
        assert_ok(ipc_take_store_advance(&a, &m->body));
        c->num_advances++;
        c->num_histories += a.is_history;
        if (habit == COURIER_HONEST || habit == COURIER_FORGETS)
            outcome = advance(c, &a, &found);
        if (habit == COURIER_FORGETS)
            outcome = IPC_STORE_OPEN_OUTCOME;
        if (habit == COURIER_LIES)
            outcome = IPC_STORE_DONE;
        slashing_entry_encode(bytes, &found);
        ipc_pack_store_advanced(
            &p, &(struct ipc_store_advanced){
                    .id = a.id, .outcome = outcome, .found = outcome == IPC_STORE_CONFLICT ? bytes : NULL});
    }
    rig_send(rig->courier, &p);
}

static void keep(struct courier *c, const struct rig *rig, size_t length)
{
    assert_in_range(c->num_kept, 0, COURIER_KEPT_MAX - 1);
    assert_ok(buffer_append(&c->kept[c->num_kept++], rig->packet, length));
}

uint64_t courier_kept_id(const struct courier *c, size_t number)
{
    struct ipc_message m;
    struct ipc_store_advance a;
    assert_ok(ipc_open(&m, c->kept[number].data, c->kept[number].length));
    assert_ok(ipc_take_store_advance(&a, &m.body));
    return a.id;
}

static void take_load_result(struct courier *c, struct ipc_message *m)
{
    struct ipc_load_result r;
    assert_ok(ipc_take_load_result(&r, m));
    c->has_load_result = true;
    c->load_ok = r.ok;
    (void)snprintf(c->load_text, sizeof c->load_text, "%.*s", (int)r.text.length, (const char *)r.text.data);
}

/* Whether a message of that type is kept, by habit. */
static bool is_kept(const struct courier *c, enum ipc_type type)
{
    return (type == IPC_STORE_HEAD_WANTED && c->heads == COURIER_KEEPS) ||
           (type == IPC_STORE_HEAD_SET && c->head_sets == COURIER_KEEPS) ||
           (type == IPC_STORE_LOAD && c->loads == COURIER_KEEPS) ||
           (type == IPC_STORE_ADVANCE && c->advances == COURIER_KEEPS);
}

static void answer(struct courier *c, struct rig *rig, struct ipc_message m)
{
    switch (m.type) {
    case IPC_STORE_OPEN:
    case IPC_STORE_HEAD_WANTED:
        send_head(c, rig);
        break;
    case IPC_STORE_HEAD_SET:
        answer_head_set(c, rig, &m);
        break;
    case IPC_STORE_LOAD:
        answer_load(c, rig, &m);
        break;
    case IPC_STORE_ADVANCE:
        answer_advances(c, rig, &m, c->advances);
        break;
    case IPC_LOAD_RESULT:
        take_load_result(c, &m);
        break;
    default:
        fail_msg("message 0x%04x is not for the courier", m.type);
    }
}

void courier_answer_kept(struct courier *c, struct rig *rig, size_t number)
{
    struct ipc_message m;
    enum courier_habit advances = c->advances, loads = c->loads, head_sets = c->head_sets;
    c->advances = c->loads = c->head_sets = COURIER_HONEST;
    assert_ok(ipc_open(&m, c->kept[number].data, c->kept[number].length));
    answer(c, rig, m);
    c->advances = advances;
    c->loads = loads;
    c->head_sets = head_sets;
}

void courier_serve(struct courier *c, struct rig *rig)
{
    size_t length = 0;
    fd_auto_close(&rig->descriptor);
    assert_ok(ipc_receive(rig->courier, rig->packet, &length, &rig->descriptor));
    assert_ok(ipc_open(&rig->message, rig->packet, length));
    if (is_kept(c, rig->message.type))
        keep(c, rig, length);
    else
        answer(c, rig, rig->message);
}

void courier_serve_until(struct courier *c, struct rig *rig, int socket)
{
    for (;;) {
        struct pollfd polls[] = {{.fd = rig->courier, .events = POLLIN}, {.fd = socket, .events = POLLIN}};
        if (poll(polls, 2, PATIENCE_MS) < 1)
            fail_msg("neither courier nor socket hear anything");
        if (polls[1].revents)
            return;
        courier_serve(c, rig);
        if (c->has_load_result)
            return;
    }
}

void courier_serve_one(struct courier *c, struct rig *rig, enum ipc_type type)
{
    struct pollfd wait = {.fd = rig->courier, .events = POLLIN};
    if (poll(&wait, 1, PATIENCE_MS) != 1)
        fail_msg("waited in vain for message 0x%04x", type);
    courier_serve(c, rig);
    assert_int_equal(rig->message.type, type);
}

void courier_send_store_key(const struct courier *c, struct rig *rig)
{
    struct packer p = begin();
    ipc_pack_store_key(&p, c->key);
    rig_send(rig->loader, &p);
}

void courier_boot_to_start(struct courier *c, struct rig *rig, uint32_t count)
{
    rig_boot_to_load(rig);
    if (c->is_sealed)
        courier_send_store_key(c, rig);
    rig_load_keys(rig, 0, count);
    rig_loader_end(rig, count, 0);
}

void courier_boot(struct courier *c, struct rig *rig, uint32_t count)
{
    courier_boot_to_start(c, rig, count);
    courier_serve_until(c, rig, rig->front);
    rig_begin_to_serve(rig, count);
}

void courier_sign(struct courier *c, struct rig *rig, struct ipc_answer *ret_answers,
                  struct ipc_order *orders, uint32_t count)
{
    rig_send_orders(rig, orders, count);
    for (uint32_t taken = 0; taken < count;) {
        courier_serve_until(c, rig, rig->front);
        rig_expect(rig, rig->front, IPC_SIGNED);
        for (uint32_t i = 0; i < rig->message.count; i++, taken++) {
            struct ipc_answer one;
            assert_ok(ipc_take_answer(&one, &rig->message.body));
            assert_in_range(one.id, orders[0].id, orders[0].id + count - 1);
            ret_answers[one.id - orders[0].id] = one;
        }
    }
}

struct ipc_answer courier_sign_one(struct courier *c, struct rig *rig, struct eth2_order order)
{
    struct ipc_order wrapped = {.order = order};
    struct ipc_answer one = {0};
    courier_sign(c, rig, &one, &wrapped, 1);
    return one;
}

struct slashing_record courier_vote_record(uint64_t source, uint64_t target)
{
    return (struct slashing_record){.has_attestation = true, .source_epoch = source, .target_epoch = target};
}

struct ipc_answer courier_take_answer(struct rig *rig, const struct ipc_order *order)
{
    struct ipc_answer answer = {0};
    rig_take_answers(rig, &answer, order, 1);
    return answer;
}

void courier_send_order(struct rig *rig, struct ipc_order *ret_order, struct eth2_order order)
{
    *ret_order = (struct ipc_order){.order = order};
    rig_send_orders(rig, ret_order, 1);
}

void courier_expect_health(struct rig *rig, bool store_ok)
{
    struct ipc_health health;
    rig_expect(rig, rig->front, IPC_HEALTH);
    assert_ok(ipc_take_health(&health, &rig->message));
    assert_int_equal(health.store_ok, store_ok);
}

void courier_expect_fenced(struct courier *c, struct rig *rig)
{
    rig_expect_state(rig, IPC_FAILED_STATE, 2, 0);
    for (uint32_t key = 0; key < 2; key++) {
        assert_int_equal(courier_sign_one(c, rig, rig_vote(key, 50, 51, 1)).status, IPC_ANSWER_STORE);
        assert_int_equal(courier_sign_one(c, rig, rig_order(key, ETH2_ORDER_RANDAO_REVEAL)).status,
                         IPC_ANSWER_STORE);
    }
    rig_stop(rig);
}

struct courier courier;

static int setup_kind(void **state, bool is_sealed)
{
    if (rig_setup(state) != 0)
        return -1;
    courier_open(&courier, *state, is_sealed);
    return 0;
}

int courier_setup_sealed(void **state)
{
    return setup_kind(state, true);
}

int courier_setup_plain(void **state)
{
    return setup_kind(state, false);
}

int courier_teardown(void **state)
{
    courier_close(&courier);
    return rig_teardown(state);
}
