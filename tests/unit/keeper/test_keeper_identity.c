/* test_keeper_identity.c - documents for the front's clients by themselves: how long a nonce may be, when one
 * is made, and that one that cannot be made is answered as none. */
#include "testing.h"

#include "base/clock.h"
#include "keeper/keeper.h"

static struct {
    uint64_t now_ns, attest_takes_ns;
    bool append_fails;
    unsigned attested, answered;
    uint32_t answer_len;
} fake;

uint64_t __wrap_clock_monotonic_ns(void);
uint64_t __wrap_clock_monotonic_ns(void)
{
    return fake.now_ns;
}

result __real_buffer_append(struct buffer *b, const void *data, size_t length);
result __wrap_buffer_append(struct buffer *b, const void *data, size_t length);
result __wrap_buffer_append(struct buffer *b, const void *data, size_t length)
{
    ENSURE(!fake.append_fails, E_MEMORY, "told to fail");
    return __real_buffer_append(b, data, length);
}

result __wrap_nsm_attest(const struct nsm *n, struct buffer *out, const uint8_t *user_data,
                         size_t user_data_len, const uint8_t *nonce, size_t nonce_len,
                         const uint8_t *public_key, size_t public_key_len);
result __wrap_nsm_attest(const struct nsm *n, struct buffer *out, const uint8_t *user_data,
                         size_t user_data_len, const uint8_t *nonce, size_t nonce_len,
                         const uint8_t *public_key, size_t public_key_len)
{
    (void)n;
    (void)user_data;
    (void)user_data_len;
    (void)nonce_len;
    (void)public_key;
    (void)public_key_len;
    fake.attested++;
    fake.now_ns += fake.attest_takes_ns;
    return __real_buffer_append(out, nonce, 1);
}

/* In the place of the other parts of the keeper. */
struct packer keeper_pack(struct keeper *k)
{
    return (struct packer){.data = k->outgoing, .capacity = sizeof k->outgoing};
}

void keeper_send(struct keeper_channel *channel, const struct packer *packed)
{
    struct ipc_message m;
    struct ipc_bytes document;
    (void)channel;
    assert_ok(pack_end(packed));
    assert_ok(ipc_open(&m, packed->data, packed->length));
    assert_ok(ipc_take_bytes_message(&document, &m, IPC_PACKET_MAX));
    fake.answered++;
    fake.answer_len = document.length;
}

static struct keeper k;

static int setup(void **state)
{
    (void)state;
    bool added = false;
    uint8_t secret[32] = {[31] = 1}, pubkey[48];
    keeper_keys_free(k.keys);
    memset(&k, 0, sizeof k);
    memset(&fake, 0, sizeof fake);
    fake.now_ns = 1000;
    assert_ok(keeper_keys_new(&k.keys));
    assert_ok(bls_public_key(pubkey, secret));
    assert_ok(keeper_keys_add(k.keys, &added, secret, pubkey));
    return 0;
}

static result want(uint32_t nonce_len)
{
    static const uint8_t nonce[IPC_IDENTITY_NONCE_MAX + 1] = {7};
    return keeper_identity_want(&k, (struct ipc_bytes){nonce, nonce_len});
}

static void a_nonce_has_so_many_bytes_and_no_more(void **state)
{
    (void)state;
    assert_fails(E_INPUT, want(IPC_IDENTITY_NONCE_MAX + 1));
    assert_false(k.identity.is_wanted);
    assert_ok(want(IPC_IDENTITY_NONCE_MAX));
    assert_int_equal(k.identity.nonce_len, IPC_IDENTITY_NONCE_MAX);
}

/* Orders come first; the NSM rests; and nobody waits for ever. */
static void a_document_yields_to_orders_and_to_the_nsms_rest(void **state)
{
    (void)state;
    assert_int_equal(keeper_identity_due_ns(&k), UINT64_MAX);
    assert_ok(want(1));
    assert_int_equal(keeper_identity_due_ns(&k), 0);
    k.orders.num_orders = 1;
    assert_int_equal(keeper_identity_due_ns(&k), k.identity.until_ns);
    keeper_identity_turn(&k);
    assert_int_equal(fake.attested, 0);
    k.orders.num_orders = 0;
    fake.attest_takes_ns = 1000000000;
    keeper_identity_turn(&k);
    assert_int_equal(fake.attested, 1);
    assert_int_equal(fake.answer_len, 1);
    assert_ok(want(1)); /* the NSM rests for nine seconds, and nobody waits longer than two */
    assert_int_equal(keeper_identity_due_ns(&k), k.identity.until_ns);
    fake.now_ns = k.identity.until_ns;
    keeper_identity_turn(&k);
    assert_int_equal(fake.attested, 1);
    assert_int_equal(fake.answered, 2);
    assert_int_equal(fake.answer_len, 0);
}

static void what_cannot_be_told_is_no_document(void **state)
{
    (void)state;
    assert_ok(want(1));
    fake.append_fails = true;
    keeper_identity_turn(&k);
    assert_int_equal(fake.attested, 0);
    assert_int_equal(fake.answered, 1);
    assert_int_equal(fake.answer_len, 0);
    assert_false(k.identity.is_wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_nonce_has_so_many_bytes_and_no_more, setup),
        cmocka_unit_test_setup(a_document_yields_to_orders_and_to_the_nsms_rest, setup),
        cmocka_unit_test_setup(what_cannot_be_told_is_no_document, setup),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    keeper_keys_free(k.keys);
    return failed;
}
