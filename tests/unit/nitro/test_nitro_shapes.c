/* test_nitro_shapes.c - attestation documents and images' signatures of which one item is another than it
 * should be (cbor_mutants.h): refused before anything is believed, but where what differs is what documents
 * differ in. */
#include "testing.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/file_io.h"
#include "cbor_mutants.h"
#include "nitro/nitro_attestation_parse.h"
#include "nitro/nitro_eif_signature.h"

static struct buffer document;

static int set_up(void **state)
{
    (void)state;
    char path[512];
    vector_path(path, sizeof path, "nitro/SYNTHETIC/attdoc_valid_tag18.bin");
    return file_read(&document, path, 65536).code;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_cleanup(&document);
    return 0;
}

static bool is_one_of(const char *as, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(as, *names) == 0)
            return true;
    return false;
}

/* ---- attestation ---- */

/* Items: 0 the tag, 1 the array, 2 the protected header, 3 the unprotected one, 4 the payload, 5 the
 * signature. */
static bool is_free_outside(const struct cbor_mutant *mutant)
{
    static const char *const maps[] = {"a map", "a map of four", "a long map", "with one member more", NULL};
    return mutant->item == 3 && is_one_of(mutant->as, maps);
}

static void try_document(void *context, const struct cbor_mutant *mutant)
{
    static struct attestation_parts parts, before;
    size_t *num_free = context;
    memset(&parts, 0x5a, sizeof parts);
    before = parts;
    result r = attestation_parse(&parts, mutant->bytes, mutant->length);
    if (!r.code != is_free_outside(mutant))
        fail_msg("item %zu %s: %s", mutant->item, mutant->as, r.code ? error_text() : "taken");
    *num_free += !r.code;
    if (r.code)
        assert_memory_equal(&parts, &before, sizeof parts);
    assert_true(!r.code || r.code == E_INPUT || (r.code == E_UNSUPPORTED && mutant->item == 2));
}

static void a_document_has_one_shape(void **state)
{
    (void)state;
    size_t num_free = 0;
    assert_true(cbor_mutants(document.data, document.length, try_document, &num_free) > 100);
    assert_int_equal(num_free, 4);
}

/* With another protected header of at most 64 bytes. */
static void try_protected(void *context, const struct cbor_mutant *mutant)
{
    static struct attestation_parts parts;
    static struct cbor_tree tree;
    static uint8_t space[20000];
    struct packer p = {.data = space, .capacity = sizeof space};
    (void)context;
    assert_ok(cbor_read(&tree, document.data, document.length));
    const struct cbor_node *payload = &tree.nodes[4], *signature = &tree.nodes[5];
    cbor_pack_array(&p, 4);
    cbor_pack_bytes(&p, mutant->bytes, mutant->length);
    cbor_pack_map(&p, 0);
    cbor_pack_bytes(&p, payload->bytes, payload->length);
    cbor_pack_bytes(&p, signature->bytes, signature->length);
    assert_ok(pack_end(&p));
    result r = attestation_parse(&parts, p.data, p.length);
    if (r.code != E_INPUT && r.code != E_UNSUPPORTED)
        fail_msg("item %zu %s: %s", mutant->item, mutant->as, r.code ? error_text() : "taken");
}

static void the_protected_header_says_es384_and_nothing_else(void **state)
{
    (void)state;
    static const uint8_t header[] = {0xa1, 0x01, 0x38, 0x22};
    assert_true(cbor_mutants(header, sizeof header, try_protected, NULL) > 50);
}

struct payload {
    struct cbor_tree tree;
    struct attestation claims;
    size_t num_taken;
};

/* Of the payload's own map: the name of the member that the item is of, and whether the item is that name. */
static const char *member_of(bool *ret_is_name, const struct payload *payload, size_t item)
{
    static char name[32];
    const struct cbor_node *map = &payload->tree.nodes[0], *changed = map + item, *key = cbor_child(map);
    while (item > 0 && changed >= cbor_sibling(cbor_sibling(key)))
        key = cbor_sibling(cbor_sibling(key));
    (void)snprintf(name, sizeof name, "%.*s", item > 0 ? (int)key->length : 0, (const char *)key->bytes);
    *ret_is_name = changed == key;
    return name;
}

/* What may be left out may have another name, and its value may be null or, but for a key, empty; a name, a
 * date and the number of the last register may be others; one member more means nothing to us. Nothing else
 * is taken. */
static bool is_free_inside(const struct cbor_mutant *mutant, const struct payload *payload)
{
    static const char *const optional[] = {"public_key", "user_data", "nonce", NULL};
    static const struct {
        const char *member, *as;
    } values[] = {{"", "with one member more"},
                  {"module_id", "a text"},
                  {"timestamp", "the next number"},
                  {"pcrs", "the next number"},
                  {"public_key", "null"},
                  {"user_data", "null"},
                  {"nonce", "null"},
                  {"user_data", "no bytes"},
                  {"nonce", "no bytes"}};
    bool is_name = false;
    const char *member = member_of(&is_name, payload, mutant->item);
    if (is_name)
        return is_one_of(member, optional);
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
        if (strcmp(values[i].member, member) == 0 && strcmp(values[i].as, mutant->as) == 0)
            return true;
    return false;
}

static void try_payload(void *context, const struct cbor_mutant *mutant)
{
    struct payload *payload = context;
    static struct attestation claims;
    memset(&claims, 0x5a, sizeof claims);
    result r = attestation_parse_payload(&claims, mutant->bytes, mutant->length);
    if (r.code) {
        assert_int_equal(r.code, E_INPUT);
        assert_int_equal(claims.timestamp_ms, UINT64_C(0x5a5a5a5a5a5a5a5a));
        return;
    }
    payload->num_taken++;
    if (!is_free_inside(mutant, payload))
        fail_msg("taken: item %zu %s", mutant->item, mutant->as);
    /* The other members are what they were. */
    bool is_name;
    const char *member = member_of(&is_name, payload, mutant->item);
    const struct attestation *good = &payload->claims;
    assert_true(strcmp(member, "timestamp") == 0 || claims.timestamp_ms == good->timestamp_ms);
    assert_true(strcmp(member, "module_id") == 0 || strcmp(claims.module_id, good->module_id) == 0);
    assert_true(strcmp(member, "pcrs") == 0 || claims.pcr_present == good->pcr_present);
    assert_int_equal(claims.public_key.present, strcmp(member, "public_key") != 0);
    assert_int_equal(claims.nonce.length, strcmp(member, "nonce") == 0 ? 0 : good->nonce.length);
    assert_int_equal(claims.user_data.length, strcmp(member, "user_data") == 0 ? 0 : good->user_data.length);
}

static void a_payload_has_its_members(void **state)
{
    (void)state;
    static struct cbor_tree outer;
    static struct payload payload;
    assert_ok(cbor_read(&outer, document.data, document.length));
    const struct cbor_node *bytes = &outer.nodes[4];
    assert_ok(cbor_read(&payload.tree, bytes->bytes, bytes->length));
    assert_ok(attestation_parse_payload(&payload.claims, bytes->bytes, bytes->length));
    size_t num = cbor_mutants(bytes->bytes, bytes->length, try_payload, &payload);
    assert_true(payload.num_taken > 20 && num > 1000);
    uint8_t not_cbor = 0xff;
    assert_fails(E_INPUT, attestation_parse_payload(&payload.claims, &not_cbor, 1));
}

/* ---- images' signatures ---- */

static const uint8_t pcr0[NITRO_EIF_PCR_LEN] = {7};

struct image {
    const uint8_t *certificate; /* the section up to the list of the COSE_Sign1's bytes */
    size_t certificate_len;
};

static void try_cose(void *context, const struct cbor_mutant *mutant)
{
    const struct image *image = context;
    static uint8_t space[70000];
    struct packer p = {.data = space, .capacity = sizeof space};
    X509 *certificate = NULL;
    pack_bytes(&p, image->certificate, image->certificate_len);
    cbor_pack_array(&p, mutant->length);
    for (size_t i = 0; i < mutant->length; i++)
        cbor_pack_uint(&p, mutant->bytes[i]);
    assert_ok(pack_end(&p));
    const struct nitro_eif_part part = {p.data, p.length};
    result r = nitro_eif_signature_verify(&certificate, &part, pcr0);
    bool is_tagged = mutant->item == 0 && strcmp(mutant->as, "tagged as COSE_Sign1") == 0;
    if (!r.code != is_tagged || (r.code && certificate))
        fail_msg("item %zu %s: %s", mutant->item, mutant->as, r.code ? error_text() : "taken");
    X509_free(certificate);
}

static void a_signature_has_one_shape(void **state)
{
    (void)state;
    static const char key_text[] = "isignature";
    AUTO(buffer) section = {0};
    AUTO(buffer) cose = {0};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_ok(nitro_eif_signature_make(&section, pcr0, certificate, key));
    const uint8_t *at = memmem(section.data, section.length, key_text, sizeof key_text - 1);
    assert_non_null(at);
    at += sizeof key_text - 1;
    struct image image = {section.data, (size_t)(at - section.data)};
    at += *at == 0x98 ? 2 : 3; /* the list's head, of one or two more bytes */
    while (at < section.data + section.length) {
        at += *at == 0x18;
        assert_ok(buffer_append(&cose, at++, 1));
    }
    assert_true(cbor_mutants(cose.data, cose.length, try_cose, &image) > 80);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_has_one_shape),
        cmocka_unit_test(the_protected_header_says_es384_and_nothing_else),
        cmocka_unit_test(a_payload_has_its_members),
        cmocka_unit_test(a_signature_has_one_shape),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
