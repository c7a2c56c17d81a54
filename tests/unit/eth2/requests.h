/* requests.h - sign requests of vector files through eth2_api, to signing roots and signatures. */
#ifndef REQUESTS_H
#define REQUESTS_H

#include "vectors.h"

#include "bls/bls.h"
#include "eth2/eth2_api.h"

static inline struct eth2_network built_in(const char *name)
{
    struct eth2_network network;
    assert_ok(eth2_network_by_name(&network, name));
    return network;
}

static inline result parse_request(struct eth2_order *ret_order, const struct eth2_network *network,
                                   const json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    assert_non_null(text);
    result r = eth2_api_parse(ret_order, network, text, strlen(text));
    free(text);
    return r;
}

/* The order of a request that must parse and whose signing root must be that; ret_order may be NULL. */
static inline void assert_request(struct eth2_order *ret_order, uint8_t ret_root[static 32],
                                  const struct eth2_network *network, const json_t *request,
                                  const char *expected_root, const char *what)
{
    struct eth2_order order;
    result r = parse_request(&order, network, request);
    if (r.code)
        fail_msg("%s: %s", what, error_text());
    assert_ok(eth2_order_signing_root(ret_root, network, &order));
    if (expected_root)
        assert_hex(expected_root, ret_root, 32, what);
    if (ret_order)
        *ret_order = order;
}

static inline void assert_signature(const uint8_t root[static 32], const char *secret, const char *signature,
                                    const char *what)
{
    uint8_t key[BLS_SECRET_LEN], ours[BLS_SIGNATURE_LEN];
    vector_hex(key, sizeof key, secret);
    assert_ok(bls_sign(ours, key, root, 32));
    assert_hex(signature, ours, sizeof ours, what);
}

static inline void assert_verifies(const uint8_t root[static 32], const char *pubkey, const char *signature)
{
    uint8_t key[BLS_PUBKEY_LEN], theirs[BLS_SIGNATURE_LEN];
    vector_hex(key, sizeof key, pubkey);
    vector_hex(theirs, sizeof theirs, signature);
    assert_ok(bls_verify(key, theirs, root, 32));
}

#endif
