/* courier_backend.h - which store the policy names, and how the courier gets to it. */
#ifndef COURIER_COURIER_BACKEND_H
#define COURIER_COURIER_BACKEND_H

#include "courier_store.h"
#include "net/net_resolver.h"
#include "policy/policy.h"
#include "slashing/slashing_postgresql.h"

/* From the command line and, stand-alone, the supervisor; outlives everything. */
struct courier_backend_settings {
    bool has_dynamodb_via;
    struct net_address dynamodb_via;
    const char *dynamodb_endpoint; /* NULL: https://dynamodb.REGION.amazonaws.com */
    const struct buffer *ca_pem;
    struct net_resolver *resolver; /* stand-alone: for what has no via; else NULL */
    bool has_postgresql;
    struct slashing_postgresql_settings postgresql;
};

struct courier_backend {
    struct courier_store_backend store;
    const struct courier_backend_settings *settings;
    char table[POLICY_VALUE_MAX];
    char account[POLICY_ACCOUNT_LEN + 1]; /* "": any */
    char region[64];
    char endpoint[512];
    char host[256]; /* of the endpoint or the database, when the resolver is to find it; else "" */
    uint32_t port;
};

/* Fills backend in, which stays where it is. E_INPUT or E_UNSUPPORTED: the policy names a store that this
 * courier cannot reach. Nothing is connected yet. */
must_check result courier_backend_choose(struct courier_backend *backend,
                                         const struct courier_backend_settings *settings,
                                         const struct policy *policy);

#endif
