/* test_devcloud_kms_policy.c - the key policy: what it allows, and what it refuses to read. */
#include "testing.h"

#include "devcloud/devcloud_kms_policy.h"

#define ROLE "arn:aws:iam::111122223333:role/signer"
#define OTHER "arn:aws:iam::111122223333:role/other"
#define ELEVEN_48                                                                                            \
    "111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111"
#define AB_48                                                                                                \
    "abababababababababababababababababababababababababababababababababababababababababababababababab"
#define AB_48_UPPER                                                                                          \
    "ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB"
#define STATEMENT(effect, principal, action, rest)                                                           \
    "{\"Effect\":\"" effect "\",\"Principal\":" principal ",\"Action\":" action ",\"Resource\":\"*\"" rest "}"
#define CONDITION(operator, key, values)                                                                     \
    ",\"Condition\":{\"" operator"\":{\"kms:RecipientAttestation:" key "\":" values "}}"

static struct attestation document; /* PCR0 = 11.., PCR16 = ab.. */

static void fill_document(void)
{
    memset(&document, 0, sizeof document);
    document.pcr_present = 1u << 0 | 1u << 16;
    memset(document.pcr[0], 0x11, ATTESTATION_PCR_LEN);
    memset(document.pcr[16], 0xab, ATTESTATION_PCR_LEN);
}

static result parse(struct kms_policy **policy, const char *statements)
{
    char text[8192];
    (void)snprintf(text, sizeof text, "{\"Version\":\"2012-10-17\",\"Id\":\"x\",\"Statement\":[%s]}",
                   statements);
    return devcloud_kms_policy_parse(policy, text, strlen(text));
}

static bool allows(const char *statements, const char *action, const struct attestation *attestation)
{
    struct kms_policy *policy = NULL;
    assert_ok(parse(&policy, statements));
    const struct kms_policy_request request = {ROLE, action, attestation};
    bool allowed = devcloud_kms_policy_allows(policy, &request);
    devcloud_kms_policy_free(policy);
    return allowed;
}

static void actions_and_principals(void **state)
{
    (void)state;
    static const struct {
        const char *statements;
        bool allowed;
    } cases[] = {
        {STATEMENT("Allow", "\"*\"", "\"kms:Decrypt\"", ""), true},
        {STATEMENT("Allow", "{\"AWS\":\"" ROLE "\"}", "[\"kms:Encrypt\",\"kms:Decrypt\"]", ""), true},
        {STATEMENT("Allow", "{\"AWS\":[\"" OTHER "\",\"" ROLE "\"]}", "\"kms:*\"", ""), true},
        {STATEMENT("Allow", "{\"AWS\":\"" ROLE "\"}", "\"KMS:dec*t\"", ""), true},
        {STATEMENT("Allow", "\"*\"", "\"*\"", ""), true},
        {STATEMENT("Allow", "\"*\"", "\"kms:De?rypt\"", ""), true},
        {STATEMENT("Allow", "\"*\"", "\"kms:*c*y*t\"", ""), true},
        {STATEMENT("Allow", "\"*\"", "\"kms:Encrypt\"", ""), false},
        {STATEMENT("Allow", "\"*\"", "\"kms:Decrypt?\"", ""), false},
        {STATEMENT("Allow", "\"*\"", "\"kms:*x\"", ""), false},
        {STATEMENT("Allow", "{\"AWS\":\"" OTHER "\"}", "\"kms:*\"", ""), false},
        /* no IAM policies here: the account's root allows nothing, but denies for everyone */
        {STATEMENT("Allow", "{\"AWS\":\"arn:aws:iam::111122223333:root\"}", "\"kms:*\"", ""), false},
        {STATEMENT("Allow", "\"*\"", "\"kms:*\"",
                   "") "," STATEMENT("Deny", "{\"AWS\":\"arn:aws:iam::111122223333:root\"}", "\"kms:*\"", ""),
         false},
        {STATEMENT("Allow", "\"*\"", "\"kms:*\"",
                   "") "," STATEMENT("Deny", "{\"AWS\":\"arn:aws:iam::999922223333:root\"}", "\"kms:*\"", ""),
         true},
        {STATEMENT("Allow", "\"*\"", "\"kms:*\"", "") "," STATEMENT("Deny", "\"*\"", "\"kms:Decrypt\"", ""),
         false},
        {STATEMENT("Deny", "\"*\"", "\"kms:Decrypt\"", "") "," STATEMENT("Allow", "\"*\"", "\"kms:*\"", ""),
         false},
        {STATEMENT("Allow", "\"*\"", "\"kms:*\"", "") "," STATEMENT("Deny", "\"*\"", "\"kms:Encrypt\"", ""),
         true},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        if (allows(cases[i].statements, "kms:Decrypt", NULL) != cases[i].allowed)
            fail_msg("case %zu: %s", i, cases[i].statements);
    }
}

static void conditions(void **state)
{
    (void)state;
    /* allowed: with the document, and without a recipient at all */
    static const struct {
        const char *condition;
        bool with, without;
    } cases[] = {
        {CONDITION("StringEqualsIgnoreCase", "ImageSha384", "\"" ELEVEN_48 "\""), true, false},
        {CONDITION("StringEquals", "PCR0", "\"" ELEVEN_48 "\""), true, false},
        {CONDITION("StringEquals", "PCR0", "[\"" AB_48 "\",\"" ELEVEN_48 "\"]"), true, false},
        {CONDITION("StringEquals", "PCR0", "\"" AB_48 "\""), false, false},
        {CONDITION("StringEquals", "PCR16", "\"" AB_48 "\""), true, false},
        {CONDITION("StringEquals", "PCR16", "\"" AB_48_UPPER "\""), false, false},
        {CONDITION("StringEqualsIgnoreCase", "PCR16", "\"" AB_48_UPPER "\""), true, false},
        {CONDITION("StringEquals", "PCR3", "\"" ELEVEN_48 "\""), false, false}, /* not in the document */
        {CONDITION("StringNotEquals", "PCR0", "\"" AB_48 "\""), true, true},
        {CONDITION("StringNotEquals", "PCR0", "[\"" AB_48 "\",\"" ELEVEN_48 "\"]"), false, true},
        {CONDITION("StringNotEqualsIgnoreCase", "PCR16", "\"" AB_48_UPPER "\""), false, true},
        {CONDITION("StringNotEquals", "PCR16", "\"" AB_48_UPPER "\""), true, true},
        {CONDITION("Null", "PCR0", "\"false\""), true, false},
        {CONDITION("Null", "PCR0", "\"true\""), false, true},
        {CONDITION("Null", "PCR31", "\"true\""), true, true},
        /* two operators, and two keys of one: all must hold */
        {",\"Condition\":{\"StringEquals\":{\"kms:RecipientAttestation:PCR0\":\"" ELEVEN_48
         "\",\"kms:RecipientAttestation:PCR16\":\"" AB_48
         "\"},\"Null\":{\"kms:RecipientAttestation:PCR8\":\"true\"}}",
         true, false},
        {",\"Condition\":{\"StringEquals\":{\"kms:RecipientAttestation:PCR0\":\"" ELEVEN_48
         "\",\"kms:RecipientAttestation:PCR16\":\"" ELEVEN_48 "\"}}",
         false, false},
        {",\"Condition\":{\"StringEquals\":{\"kms:RecipientAttestation:PCR0\":\"" ELEVEN_48
         "\"},\"Null\":{\"kms:RecipientAttestation:PCR16\":\"true\"}}",
         false, false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char statement[2048];
        (void)snprintf(statement, sizeof statement, STATEMENT("Allow", "\"*\"", "\"kms:Decrypt\"", "%s"),
                       cases[i].condition);
        if (allows(statement, "kms:Decrypt", &document) != cases[i].with)
            fail_msg("with a document: %s", cases[i].condition);
        if (allows(statement, "kms:Decrypt", NULL) != cases[i].without)
            fail_msg("without: %s", cases[i].condition);
    }
}

/* The explicit Deny that facts about AWS recommend beside a conditional Allow. */
static void a_deny_without_attestation_beats_a_careless_allow(void **state)
{
    (void)state;
    static const char policy[] = STATEMENT("Allow", "\"*\"", "\"kms:*\"", "") "," STATEMENT(
        "Deny", "\"*\"", "[\"kms:Decrypt\",\"kms:GenerateDataKey*\"]",
        CONDITION("StringNotEqualsIgnoreCase", "ImageSha384", "[\"" ELEVEN_48 "\"]"));
    assert_true(allows(policy, "kms:Decrypt", &document));
    assert_false(allows(policy, "kms:Decrypt", NULL));
    assert_true(allows(policy, "kms:Encrypt", NULL));
    document.pcr[0][47] ^= 1;
    assert_false(allows(policy, "kms:Decrypt", &document));
    fill_document();
}

static void what_is_not_known_is_not_ignored(void **state)
{
    (void)state;
    static const struct {
        const char *statement;
        enum error_code code;
        const char *names;
    } cases[] = {
        {"{\"Effect\":\"Allow\",\"NotPrincipal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}", E_INPUT,
         "Principal"},
        {STATEMENT("Allow", "\"*\"", "\"*\"", ",\"NotAction\":\"kms:Decrypt\""), E_UNSUPPORTED, "NotAction"},
        {STATEMENT("Allow", "{\"Service\":\"ec2.amazonaws.com\"}", "\"*\"", ""), E_UNSUPPORTED, "Principal"},
        {STATEMENT("Allow", "{\"AWS\":\"*\",\"Service\":\"x\"}", "\"*\"", ""), E_UNSUPPORTED, "Principal"},
        {"{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"arn:aws:kms:x\"}",
         E_UNSUPPORTED, "Resource"},
        {STATEMENT("allow", "\"*\"", "\"*\"", ""), E_INPUT, "Effect"},
        {STATEMENT("Allow", "\"*\"", "[]", ""), E_INPUT, "Action"},
        {STATEMENT("Allow", "\"*\"", "[1]", ""), E_INPUT, "Action"},
        {STATEMENT("Allow", "\"*\"", "\"*\"", CONDITION("StringLike", "PCR0", "\"1*\"")), E_UNSUPPORTED,
         "StringLike"},
        {STATEMENT("Allow", "\"*\"", "\"*\"", CONDITION("StringEqualsIfExists", "PCR0", "\"1\"")),
         E_UNSUPPORTED, "IfExists"},
        {STATEMENT("Allow", "\"*\"", "\"*\"", CONDITION("StringEquals", "PCR32", "\"1\"")), E_UNSUPPORTED,
         "PCR32"},
        {STATEMENT("Allow", "\"*\"", "\"*\"", CONDITION("StringEquals", "PCR01", "\"1\"")), E_UNSUPPORTED,
         "PCR01"},
        {STATEMENT("Allow", "\"*\"", "\"*\"", CONDITION("StringEquals", "PCR", "\"1\"")), E_UNSUPPORTED,
         "PCR"},
        {STATEMENT("Allow", "\"*\"", "\"*\"", CONDITION("StringEquals", "PCR0", "[]")), E_INPUT, "PCR0"},
        {STATEMENT("Allow", "\"*\"", "\"*\"", CONDITION("Null", "PCR0", "\"maybe\"")), E_INPUT, "Null"},
        {STATEMENT("Allow", "\"*\"", "\"*\"", ",\"Condition\":{\"StringEquals\":{\"kms:ViaService\":\"x\"}}"),
         E_UNSUPPORTED, "kms:ViaService"},
        {STATEMENT("Allow", "\"*\"", "\"*\"", ",\"Condition\":{\"StringEquals\":{}}"), E_INPUT,
         "StringEquals"},
        {"7", E_INPUT, "Statement[0]"},
        {"", E_INPUT, "Statement"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct kms_policy *policy = NULL;
        result r = parse(&policy, cases[i].statement);
        if (r.code != (int)cases[i].code || !strstr(error_text(), cases[i].names))
            fail_msg("%s: %s (%s)", cases[i].statement, error_text(), error_name(r.code));
        assert_null(policy);
    }
    static const char *const documents[] = {"[]",
                                            "{}",
                                            "{\"Version\":\"2008-10-17\",\"Statement\":[]}",
                                            "{\"Version\":\"2012-10-17\",\"Statement\":{}}",
                                            "{\"Version\":\"2012-10-17\",\"Extra\":1,\"Statement\":[]}",
                                            "not JSON"};
    for (size_t i = 0; i < ARRAY_LENGTH(documents); i++) {
        struct kms_policy *policy = NULL;
        if (!devcloud_kms_policy_parse(&policy, documents[i], strlen(documents[i])).code)
            fail_msg("accepted %s", documents[i]);
    }
}

int main(void)
{
    fill_document();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actions_and_principals),
        cmocka_unit_test(conditions),
        cmocka_unit_test(a_deny_without_attestation_beats_a_careless_allow),
        cmocka_unit_test(what_is_not_known_is_not_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
