/* testing_signing.h - the signing vectors made with Lodestar's packages, as requests that clients send. */
#ifndef TESTING_SIGNING_H
#define TESTING_SIGNING_H

#include "testing_json.h"

#include "eth2/eth2_config.h"
#include "json/json.h"

/* How the vectors name what Gloas adds, and the forms in which a request may say it: the first is
 * remote-signing-api's, wrapped with a version; then that without the wrapper, and other names. */
static const struct signing_form {
    const char *vector, *types[2], *members[3];
} signing_forms[] = {
    {"PayloadAttestationData",
     {"PAYLOAD_ATTESTATION_MESSAGE", "PAYLOAD_ATTESTATION"},
     {"payload_attestation_message", "payload_attestation_data", "payload_attestation"}},
    {"ExecutionPayloadBid", {"EXECUTION_PAYLOAD_BID"}, {"execution_payload_bid"}},
    {"ExecutionPayloadEnvelope", {"EXECUTION_PAYLOAD_ENVELOPE"}, {"execution_payload_envelope"}},
    {"ProposerPreferences", {"PROPOSER_PREFERENCES"}, {"proposer_preferences"}},
    {"BuilderRequestAuth",
     {"BUILDER_REQUEST_AUTH", "REQUEST_AUTH"},
     {"builder_request_auth", "request_auth"}},
};

enum { SIGNING_FORMS_MAX = 2 * 2 * 3 }; /* wrapped or not, times types, times members */

static inline const struct signing_form *signing_form_of(const char *name)
{
    for (size_t i = 0; i < sizeof signing_forms / sizeof signing_forms[0]; i++) {
        if (strcmp(signing_forms[i].vector, name) == 0)
            return &signing_forms[i];
    }
    fail_msg("no form for %s", name);
    return NULL;
}

/* Sets type and payload of a request in that form; false if there is no such form. */
static inline bool signing_put(json_t *request, const struct signing_form *form, json_t *payload,
                               unsigned number)
{
    const char *type = form->types[number / 6], *member = form->members[number / 2 % 3];
    if (!type || !member)
        return false;
    json_t *value =
        number % 2 ? json_deep_copy(payload) : json_pack("{s:s, s:O}", "version", "GLOAS", "data", payload);
    assert_int_equal(json_object_set_new(request, "type", json_string(type)), 0);
    assert_int_equal(json_object_set_new(request, member, value), 0);
    return true;
}

/* The request of a vector in that form (0: the usual one); NULL if there is no such form. The caller owns it.
 */
static inline json_t *signing_request(const json_t *vectors, const json_t *vector, unsigned number)
{
    json_t *request = json_deep_copy(json_object_get(vector, "request"));
    const char *type = json_member_text(vector, "type");
    if (strcmp(type, "BLS_TO_EXECUTION_CHANGE") == 0) /* the vectors leave out what Lodestar's client sends */
        for (size_t i = 0; i < json_array_size(vectors); i++) {
            json_t *info =
                json_object_get(json_object_get(json_array_get(vectors, i), "request"), "fork_info");
            if (info)
                assert_int_equal(json_object_set(request, "fork_info", info), 0);
        }
    if (strcmp(type, "GLOAS:ExecutionPayloadEnvelope") ==
        0) { /* their payloads are of any slot, the fork is Gloas */
        json_t *fork = json_object_get(json_object_get(request, "fork_info"), "fork");
        assert_int_equal(json_object_set_new(fork, "epoch", json_string("0")), 0);
    }
    bool good = number == 0;
    if (strncmp(type, "GLOAS:", 6) == 0) {
        json_t *payload = json_incref(json_object_get(request, type + 6));
        assert_int_equal(json_object_del(request, type + 6), 0);
        good = signing_put(request, signing_form_of(type + 6), payload, number);
        json_decref(payload);
    }
    if (!good)
        json_decref(request);
    return good ? request : NULL;
}

/* The invented devnet's JSON facts as the YAML file that such a network would publish. */
static inline struct eth2_network signing_devnet(void)
{
    AUTO_POINTER(json_t) facts = vector_json("lodestar-generated/signing/corpus-devnet.config.json");
    AUTO(buffer) yaml = {0};
    const char *key;
    json_t *value;
    assert_ok(buffer_append_text(&yaml, "PRESET_BASE: 'mainnet'\nCONFIG_NAME: corpus-devnet\n"));
    json_object_foreach(facts, key, value)
    {
        if (json_is_string(value))
            assert_ok(buffer_printf(&yaml, "%s: \"%s\"\n", key, json_string_value(value)));
        else
            assert_ok(buffer_printf(&yaml, "%s: %" JSON_INTEGER_FORMAT "\n", key, json_integer_value(value)));
    }
    struct eth2_network network;
    assert_ok(eth2_network_from_yaml(&network, (char *)yaml.data, yaml.length));
    return network;
}

#endif
