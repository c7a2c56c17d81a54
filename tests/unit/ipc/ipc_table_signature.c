/* ipc_table_signature.c - the rows of what is signed beside orders; see ipc_table.h. */
#include "ipc/ipc_proxy.h"
#include "ipc_table.h"

void pack_extension_sign(struct packer *p)
{
    ipc_pack_extension_sign(p, &(struct ipc_extension_sign){.id = 0x1122334455667788,
                                                            .pubkey = pattern,
                                                            .payload = some(IPC_EXTENSION_MAX)});
}

void pack_short_extension(struct packer *p)
{
    ipc_pack_extension_sign(
        p, &(struct ipc_extension_sign){.id = 1, .pubkey = pattern, .payload = some(IPC_EXTENSION_MIN)});
}

result take_extension_sign(struct packer *again, struct ipc_message *m)
{
    struct ipc_extension_sign sign;
    TRY(ipc_take_extension_sign(&sign, m));
    ipc_pack_extension_sign(again, &sign);
    return RESULT_OK;
}

void pack_extension_signed(struct packer *p)
{
    ipc_pack_signature(
        p, IPC_EXTENSION_SIGNED,
        &(struct ipc_signature){.id = UINT64_MAX, .status = IPC_ANSWER_SIGNED, .signature = some(96)});
}

void pack_extension_refused(struct packer *p)
{
    ipc_pack_signature(p, IPC_EXTENSION_SIGNED,
                       &(struct ipc_signature){.id = 7, .status = IPC_ANSWER_UNKNOWN_KEY});
}

result take_signature(struct packer *again, struct ipc_message *m)
{
    struct ipc_signature signature;
    TRY(ipc_take_signature(&signature, m));
    ipc_pack_signature(again, m->type, &signature);
    return RESULT_OK;
}

void pack_boost_signed(struct packer *p)
{
    ipc_pack_signature(p, IPC_BOOST_SIGNED,
                       &(struct ipc_signature){.id = 8, .status = IPC_ANSWER_SIGNED, .signature = some(64)});
}

/* A secp256k1 key as it is sent. */
static const uint8_t *short_pubkey(void)
{
    static uint8_t pubkey[48];
    memcpy(pubkey, pattern, 33);
    return pubkey;
}

static struct ipc_proxy proxy_of(enum ipc_scheme scheme)
{
    return (struct ipc_proxy){.scheme = scheme,
                              .delegator = pattern + 50,
                              .pubkey = scheme == IPC_SCHEME_ECDSA ? short_pubkey() : pattern + 100};
}

void pack_proxy_key(struct packer *p)
{
    ipc_pack_proxy_key(p,
                       &(struct ipc_proxy_key){.proxy = proxy_of(IPC_SCHEME_ECDSA), .secret = pattern + 200});
}

result take_proxy_key(struct packer *again, struct ipc_message *m)
{
    struct ipc_proxy_key key;
    TRY(ipc_take_proxy_key(&key, m));
    ipc_pack_proxy_key(again, &key);
    return RESULT_OK;
}

void pack_proxies(struct packer *p)
{
    uint8_t both[2 * IPC_PROXY_LEN];
    struct packer list = {.data = both, .capacity = sizeof both};
    struct ipc_proxy bls = proxy_of(IPC_SCHEME_BLS), ecdsa = proxy_of(IPC_SCHEME_ECDSA);
    ipc_pack_proxy(&list, &bls);
    ipc_pack_proxy(&list, &ecdsa);
    assert_ok(pack_end(&list));
    ipc_pack_proxies(p, &(struct ipc_proxies){.first = true, .proxies = both, .num_proxies = 2});
}

void pack_no_proxies(struct packer *p)
{
    ipc_pack_proxies(p, &(struct ipc_proxies){.first = true, .last = true, .proxies = pattern});
}

result take_proxies(struct packer *again, struct ipc_message *m)
{
    struct ipc_proxies proxies;
    TRY(ipc_take_proxies(&proxies, m));
    struct cursor c = {.at = proxies.proxies, .left = (size_t)proxies.num_proxies * IPC_PROXY_LEN};
    for (uint32_t i = 0; i < proxies.num_proxies; i++) {
        struct ipc_proxy proxy;
        TRY(ipc_take_proxy(&proxy, &c));
    }
    TRY(cursor_end(&c));
    ipc_pack_proxies(again, &proxies);
    return RESULT_OK;
}

void pack_proxy_wanted(struct packer *p)
{
    ipc_pack_proxy_wanted(
        p, &(struct ipc_proxy_wanted){.id = 3, .scheme = IPC_SCHEME_BLS, .delegator = pattern});
}

result take_proxy_wanted(struct packer *again, struct ipc_message *m)
{
    struct ipc_proxy_wanted wanted;
    TRY(ipc_take_proxy_wanted(&wanted, m));
    ipc_pack_proxy_wanted(again, &wanted);
    return RESULT_OK;
}

void pack_proxy_made(struct packer *p)
{
    ipc_pack_proxy_made(
        p, &(struct ipc_proxy_made){
               .id = 4, .status = IPC_PROXY_DONE, .pubkey = pattern, .signature = some(IPC_SIGNATURE_MAX)});
}

void pack_proxy_not_made(struct packer *p)
{
    ipc_pack_proxy_made(p, &(struct ipc_proxy_made){.id = 4, .status = IPC_PROXY_TOO_MANY});
}

result take_proxy_made(struct packer *again, struct ipc_message *m)
{
    struct ipc_proxy_made made;
    TRY(ipc_take_proxy_made(&made, m));
    ipc_pack_proxy_made(again, &made);
    return RESULT_OK;
}

void pack_boost_sign(struct packer *p)
{
    ipc_pack_boost_sign(
        p, &(struct ipc_boost_sign){
               .id = 5, .scheme = IPC_SCHEME_CONSENSUS, .pubkey = pattern, .object_root = pattern + 60});
}

void pack_boost_sign_by_proxy(struct packer *p)
{
    ipc_pack_boost_sign(
        p, &(struct ipc_boost_sign){
               .id = 5, .scheme = IPC_SCHEME_ECDSA, .pubkey = short_pubkey(), .object_root = pattern + 60});
}

result take_boost_sign(struct packer *again, struct ipc_message *m)
{
    struct ipc_boost_sign sign;
    TRY(ipc_take_boost_sign(&sign, m));
    ipc_pack_boost_sign(again, &sign);
    return RESULT_OK;
}
