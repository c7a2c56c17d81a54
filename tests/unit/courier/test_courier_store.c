/* test_courier_store.c - the courier's store: batches, outcomes, limits, credentials, outages. */
#include "courier_store_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "slashing/slashing_codec.h"

static struct rig rig;

/* Takes answers until num have come; outcomes[i] is that of id first + i. */
static void take_outcomes(enum ipc_store_outcome *outcomes, uint64_t first, uint32_t num)
{
    for (uint32_t taken = 0; taken < num;) {
        struct ipc_message m = rig_receive(&rig);
        assert_int_equal(m.type, IPC_STORE_ADVANCED);
        taken += m.count;
        for (uint32_t i = 0; i < m.count; i++) {
            struct ipc_store_advanced advanced;
            struct slashing_entry found;
            assert_ok(ipc_take_store_advanced(&advanced, &m.body));
            assert_in_range(advanced.id, first, first + num - 1);
            outcomes[advanced.id - first] = advanced.outcome;
            if (advanced.outcome == IPC_STORE_CONFLICT) {
                assert_ok(slashing_entry_decode(&found, advanced.found));
                assert_int_equal(found.record.block_slot, advanced.id * 10);
            }
        }
    }
}

static void each_advance_has_the_outcome_that_the_store_gave_it(void **state)
{
    (void)state;
    enum ipc_store_outcome outcomes[100];
    rig_open(&rig, 2, 640, false);
    rig_ask(&rig, 1, 100, 9);
    take_outcomes(outcomes, 1, 100);
    for (uint64_t id = 1; id <= 100; id++) {
        enum ipc_store_outcome expected = id % 7 == 0   ? IPC_STORE_CONFLICT
                                          : id % 5 == 0 ? IPC_STORE_OPEN_OUTCOME
                                                        : IPC_STORE_DONE;
        assert_int_equal(outcomes[id - 1], expected);
    }
    rig_close(&rig);
}

static void what_piled_up_becomes_one_batch(void **state)
{
    (void)state;
    enum ipc_store_outcome outcomes[1041];
    rig_open(&rig, 2, 640, false);
    rig_hold(&rig, true);
    for (unsigned i = 0; i < 2; i++) {
        rig_ask(&rig, 1 + i, 1, 9);
        rig_wait_at_work(&rig, i + 1);
    }
    for (uint64_t first = 3; first < 1041; first += 160)
        rig_ask(&rig, first, first + 160 > 1041 ? (uint32_t)(1041 - first) : 160, 9);
    rig_hold(&rig, false);
    take_outcomes(outcomes, 1, 1040);
    const size_t *batches = rig.script.batches;
    assert_int_equal(rig.script.num_batches, 4);
    assert_int_equal(batches[0] + batches[1], 2);
    assert_int_equal(batches[2] + batches[3], 1038);
    assert_true(batches[2] == 640 || batches[3] == 640);
    assert_int_equal(rig.script.opened, 2);
    rig_close(&rig);
}

static void a_keeper_that_does_not_read_holds_up_nobody(void **state)
{
    (void)state;
    static enum ipc_store_outcome outcomes[12800];
    rig_open(&rig, 1, 12800, false);
    rig_hold(&rig, true);
    for (uint64_t first = 1; first < 12800; first += 160)
        rig_ask(&rig, first, 160, 9); /* 1.9 MB of answers; a socket holds a tenth of that */
    rig_hold(&rig, false);
    while (!courier_outbox_is_long(rig.outbox))
        assert_ok(courier_outbox_flush(rig.outbox, rig.ours));
    take_outcomes(outcomes, 1, 12800);
    assert_true(courier_outbox_is_empty(rig.outbox));
    rig_close(&rig);
}

static void too_many_advances_are_answered_at_once(void **state)
{
    (void)state;
    enum ipc_store_outcome outcomes[160];
    enum { FITTING = COURIER_STORE_ADVANCES_MAX - COURIER_STORE_ADVANCES_MAX % 160 };
    rig_open(&rig, 1, 160, false);
    rig_hold(&rig, true);
    rig_ask(&rig, 1, 1, 9);
    rig_wait_at_work(&rig, 1);
    for (uint64_t first = 1001; first < 1001 + FITTING; first += 160)
        rig_ask(&rig, first, 160, 9);
    uint32_t over = 160 - COURIER_STORE_ADVANCES_MAX % 160;
    rig_ask(&rig, 500001, 160, 9);
    take_outcomes(outcomes, 500001 + 160 - over, over);
    for (uint32_t i = 0; i < over; i++)
        assert_int_equal(outcomes[i], IPC_STORE_OPEN_OUTCOME);
    assert_int_equal(rig.script.num_batches, 1);
    rig.script.num_batches = 0;
    courier_outbox_close(rig.outbox);
    rig_hold(&rig, false);
    courier_store_stop(rig.store); /* what waits is dropped: the keeper is gone by then */
    rig.store = NULL;
    rig_close(&rig);
}

static void questions_for_the_head_and_for_entries(void **state)
{
    (void)state;
    struct packer p = {.data = rig.packet, .capacity = sizeof rig.packet};
    struct courier_store_head own;
    struct ipc_store_head head;
    struct slashing_head decoded;
    rig_open(&rig, 1, 640, false);
    assert_false(courier_store_take_head(rig.store, &own));
    ipc_pack_empty(&p, IPC_STORE_HEAD_WANTED);
    rig_send(&rig, &p);
    struct ipc_message m = rig_receive(&rig);
    assert_ok(ipc_take_store_head(&head, &m));
    assert_int_equal(head.status, IPC_STORE_HEAD_FOUND);
    assert_ok(slashing_head_decode(&decoded, head.head));
    assert_int_equal(decoded.generation, 7);
    assert_true(courier_store_take_head(rig.store, &own));
    assert_memory_equal(own.head.sealed_key, "abc", 3);
    assert_false(courier_store_take_head(rig.store, &own));

    uint8_t keys[2][48];
    rig_key(keys[0], 30);
    rig_key(keys[1], 20);
    p.length = 0;
    ipc_pack_store_load(&p, &(struct ipc_store_load){77, keys[0], 2});
    rig_send(&rig, &p);
    struct ipc_store_entries entries;
    struct slashing_entry entry;
    m = rig_receive(&rig);
    assert_ok(ipc_take_store_entries(&entries, &m));
    assert_int_equal(entries.id, 77);
    assert_int_equal(entries.status, IPC_STORE_LAST);
    assert_int_equal(entries.num_entries, 2);
    for (unsigned i = 0; i < 2; i++) {
        const uint8_t *named = entries.entries + (size_t)i * IPC_STORE_NAMED_ENTRY_LEN;
        assert_memory_equal(named, keys[i], 48);
        assert_ok(slashing_entry_decode(&entry, named + 48));
        assert_int_equal(entry.record.block_slot, rig_number(keys[i]));
    }
    rig_close(&rig);
}

/* The keeper would end all signing for a store whose head is gone. */
static void a_store_that_is_not_found_has_not_lost_its_head(void **state)
{
    (void)state;
    struct packer p = {.data = rig.packet, .capacity = sizeof rig.packet};
    struct ipc_store_head head;
    rig_open(&rig, 1, 640, false);
    rig.script.opens_fail = true;
    ipc_pack_empty(&p, IPC_STORE_HEAD_WANTED);
    rig_send(&rig, &p);
    struct ipc_message m = rig_receive(&rig);
    assert_ok(ipc_take_store_head(&head, &m));
    assert_int_equal(head.status, IPC_STORE_HEAD_FAILED);
    assert_int_equal(head.text.length, strlen("nobody listens there"));
    assert_memory_equal(head.text.data, "nobody listens there", head.text.length);
    rig_close(&rig);
}

static void a_scan_comes_in_packets(void **state)
{
    (void)state;
    struct packer p = {.data = rig.packet, .capacity = sizeof rig.packet};
    struct ipc_store_entries entries = {.status = IPC_STORE_MORE};
    struct slashing_entry entry;
    uint64_t seen = 0;
    rig_open(&rig, 1, 640, false);
    ipc_pack_store_load(&p, &(struct ipc_store_load){.id = 5});
    rig_send(&rig, &p);
    while (entries.status == IPC_STORE_MORE) {
        struct ipc_message m = rig_receive(&rig);
        assert_ok(ipc_take_store_entries(&entries, &m));
        for (uint32_t i = 0; i < entries.num_entries; i++) {
            const uint8_t *named = entries.entries + (size_t)i * IPC_STORE_NAMED_ENTRY_LEN;
            assert_ok(slashing_entry_decode(&entry, named + 48));
            assert_int_equal(rig_number(named), seen);
            assert_int_equal(entry.stamp.generation, seen++);
        }
    }
    assert_int_equal(entries.status, IPC_STORE_LAST);
    assert_int_equal(seen, 600);
    rig_close(&rig);
}

static enum ipc_store_outcome set_head(uint64_t generation)
{
    struct slashing_head old = {.generation = generation, .store_id = {1}},
                         next = {.generation = 8, .store_id = {1}};
    uint8_t old_bytes[SLASHING_HEAD_BYTES], next_bytes[SLASHING_HEAD_BYTES];
    uint8_t enrolments[2 * IPC_STORE_NAMED_ENTRY_LEN] = {0};
    struct packer p = {.data = rig.packet, .capacity = sizeof rig.packet};
    struct ipc_store_head_is_set set;
    slashing_head_encode(old_bytes, &old);
    slashing_head_encode(next_bytes, &next);
    rig_key(enrolments, 11);
    rig_key(enrolments + IPC_STORE_NAMED_ENTRY_LEN, 12);
    ipc_pack_store_head_set(&p, &(struct ipc_store_head_set){3, old_bytes, next_bytes, enrolments, 2});
    rig_send(&rig, &p);
    struct ipc_message m = rig_receive(&rig);
    assert_ok(ipc_take_store_head_is_set(&set, &m));
    assert_int_equal(set.id, 3);
    return set.outcome;
}

static void setting_the_head_is_done_not_done_or_open(void **state)
{
    (void)state;
    rig_open(&rig, 1, 640, false);
    assert_int_equal(set_head(7), IPC_STORE_DONE);
    assert_int_equal(set_head(6), IPC_STORE_CONFLICT);
    rig.script.asking_fails = true;
    assert_int_equal(set_head(7), IPC_STORE_OPEN_OUTCOME);
    rig_close(&rig);
}

/* Everything written to standard error while work runs. */
static void capture_log(char *out, size_t out_size, void (*work)(void))
{
    char path[] = "/tmp/ns-courier-log-XXXXXX";
    int file = mkstemp(path), saved = dup(STDERR_FILENO);
    assert_true(file >= 0 && saved >= 0 && dup2(file, STDERR_FILENO) >= 0);
    work();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    ssize_t length = pread(file, out, out_size - 1, 0);
    assert_true(length >= 0);
    out[length] = 0;
    (void)close(saved);
    (void)close(file);
    (void)unlink(path);
}

static unsigned count(const char *text, const char *part)
{
    unsigned found = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        found++;
    return found;
}

static void expect_outcomes(uint64_t first, enum ipc_store_outcome expected)
{
    enum ipc_store_outcome outcomes[2];
    rig_ask(&rig, first, 2, 9);
    take_outcomes(outcomes, first, 2);
    assert_int_equal(outcomes[0], expected);
    assert_int_equal(outcomes[1], expected);
}

static void outage_and_recovery(void)
{
    rig.script.opens_fail = true;
    for (unsigned i = 0; i < 5; i++)
        expect_outcomes(1, IPC_STORE_OPEN_OUTCOME);
    (void)pthread_mutex_lock(&rig.script.lock);
    rig.script.opens_fail = false;
    (void)pthread_mutex_unlock(&rig.script.lock);
    for (unsigned i = 0; i < 5; i++)
        expect_outcomes(1, IPC_STORE_DONE);
}

static void an_outage_is_logged_once_and_so_is_its_end(void **state)
{
    (void)state;
    char log[4096];
    log_open("test", LOG_LEVEL_INFO);
    rig_open(&rig, 1, 640, false);
    capture_log(log, sizeof log, outage_and_recovery);
    assert_int_equal(count(log, "the scripted store cannot be asked: nobody listens there"), 1);
    assert_int_equal(count(log, "the scripted store answers again"), 1);
    rig_close(&rig);
}

static void authorise(const char *access_key_id)
{
    struct aws_credentials credentials = {0};
    assert_ok(aws_credentials_new(&credentials, access_key_id, "secret", "token"));
    assert_ok(courier_store_authorise(rig.store, &credentials));
    aws_credentials_cleanup(&credentials);
}

static void fresh_credentials_reach_each_thread_once(void **state)
{
    (void)state;
    rig_open(&rig, 1, 640, true);
    expect_outcomes(1, IPC_STORE_OPEN_OUTCOME); /* none yet */
    authorise("FIRST");
    expect_outcomes(1, IPC_STORE_DONE);
    assert_string_equal(rig.script.access_key_id, "FIRST");
    authorise("SECOND");
    expect_outcomes(1, IPC_STORE_DONE);
    expect_outcomes(1, IPC_STORE_DONE);
    assert_string_equal(rig.script.access_key_id, "SECOND");
    assert_int_equal(rig.script.authorised, 2);
    rig_close(&rig);
}

/* Memory is gone when an answer is to be made. */
static bool no_memory;

result __real_courier_outbox_put(struct courier_outbox *outbox, const uint8_t *packet, size_t packet_len);
result __wrap_courier_outbox_put(struct courier_outbox *outbox, const uint8_t *packet, size_t packet_len);

result __wrap_courier_outbox_put(struct courier_outbox *outbox, const uint8_t *packet, size_t packet_len)
{
    ENSURE(!no_memory, E_MEMORY, "out of memory for a packet to the keeper");
    return __real_courier_outbox_put(outbox, packet, packet_len);
}

static void an_answer_that_cannot_be_made_ends_the_courier(void **state)
{
    (void)state;
    rig_open(&rig, 1, 640, false);
    no_memory = true;
    rig_ask(&rig, 1, 1, 9);
    struct pollfd told = {.fd = courier_outbox_descriptor(rig.outbox), .events = POLLIN};
    assert_int_equal(poll(&told, 1, 20000), 1);
    assert_fails(E_MEMORY, courier_outbox_flush(rig.outbox, rig.ours));
    assert_error_names("an answer to the keeper could not be made");
    rig_close(&rig);
    no_memory = false;
}

static void malformed_entries_end_the_courier(void **state)
{
    (void)state;
    uint8_t pubkey[48] = {1}, entry[SLASHING_ENTRY_BYTES] = {0}, bad[SLASHING_ENTRY_BYTES] = {0};
    struct packer p = {.data = rig.packet, .capacity = sizeof rig.packet};
    struct ipc_message m;
    bad[8] = 1; /* a slot without the flag that says there is one */
    rig_open(&rig, 1, 640, false);
    ipc_begin(&p, IPC_STORE_ADVANCE, 1);
    ipc_pack_store_advance(&p, &(struct ipc_store_advance){1, pubkey, entry, bad, false});
    assert_ok(ipc_open(&m, p.data, p.length));
    assert_fails(E_INPUT, courier_store_take(rig.store, &m));
    rig_close(&rig);
}

static void a_real_store_remembers(void **state)
{
    (void)state;
    char path[] = "/tmp/ns-courier-XXXXXX", file[64];
    enum ipc_store_outcome outcome;
    assert_non_null(mkdtemp(path));
    (void)snprintf(file, sizeof file, "%s/store", path);
    rig_open_sqlite(&rig, file);
    rig_ask(&rig, 1, 1, 9);
    take_outcomes(&outcome, 1, 1);
    assert_int_equal(outcome, IPC_STORE_DONE);
    struct ipc_store_advanced advanced;
    struct slashing_entry found;
    rig_ask(&rig, 1, 1, 8);
    struct ipc_message m = rig_receive(&rig);
    assert_ok(ipc_take_store_advanced(&advanced, &m.body));
    assert_int_equal(advanced.outcome, IPC_STORE_CONFLICT);
    assert_ok(slashing_entry_decode(&found, advanced.found));
    assert_int_equal(found.record.block_slot, 9);
    rig_close(&rig);
    (void)unlink(file);
    (void)rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_advance_has_the_outcome_that_the_store_gave_it),
        cmocka_unit_test(what_piled_up_becomes_one_batch),
        cmocka_unit_test(a_keeper_that_does_not_read_holds_up_nobody),
        cmocka_unit_test(too_many_advances_are_answered_at_once),
        cmocka_unit_test(questions_for_the_head_and_for_entries),
        cmocka_unit_test(a_store_that_is_not_found_has_not_lost_its_head),
        cmocka_unit_test(a_scan_comes_in_packets),
        cmocka_unit_test(setting_the_head_is_done_not_done_or_open),
        cmocka_unit_test(an_outage_is_logged_once_and_so_is_its_end),
        cmocka_unit_test(fresh_credentials_reach_each_thread_once),
        cmocka_unit_test(an_answer_that_cannot_be_made_ends_the_courier),
        cmocka_unit_test(malformed_entries_end_the_courier),
        cmocka_unit_test(a_real_store_remembers),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
