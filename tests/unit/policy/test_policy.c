/* test_policy.c - lib/policy. */
#include "testing.h"

#include <openssl/evp.h>
#include <unistd.h>

#include "base/hex.h"
#include "policy/policy.h"

/* Written by hand from PROTOCOL.control section 3, not by our formatter. */
static const char holesky[] =
    "nitro-signer-policy 3\n"
    "network holesky\n"
    "preset mainnet\n"
    "genesis_time 1695902400\n"
    "seconds_per_slot 12\n"
    "phase0_fork_version 0x01017000\n"
    "altair_fork 0x02017000 0\n"
    "bellatrix_fork 0x03017000 0\n"
    "capella_fork 0x04017000 256\n"
    "deneb_fork 0x05017000 29696\n"
    "electra_fork 0x06017000 115968\n"
    "fulu_fork 0x07017000 never\n"
    "gloas_fork 0x00000000 never\n"
    "heze_fork 0x00000000 never\n"
    "genesis_validators_root 0x9143aa7c615a7f7115e2b6aac319c03529df8242ae705fba9df39b79c59fa8b1\n"
    "slashing_protection enabled\n"
    "store sqlite:/var/lib/nitro signer/a.db\n"
    "store_identity none\n"
    "store_mode single\n"
    "far_future_epochs 2\n"
    "boot_floor disabled\n"
    "kms_key arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\n"
    "region eu-central-1\n"
    "access any\n"
    "log_level info\n";

static void a_document_is_read(void **state)
{
    (void)state;
    struct policy policy;
    struct eth2_network expected;
    assert_ok(policy_parse(&policy, holesky, strlen(holesky)));
    assert_ok(eth2_network_by_name(&expected, "holesky"));
    expected.fork_epoch[ETH2_FULU] = ETH2_FAR_FUTURE;
    assert_string_equal(policy.network.name, "holesky");
    assert_int_equal(policy.network.genesis_time, expected.genesis_time);
    assert_int_equal(policy.network.seconds_per_slot, 12);
    assert_memory_equal(policy.network.fork_version, expected.fork_version, sizeof expected.fork_version);
    assert_memory_equal(policy.network.fork_epoch, expected.fork_epoch, sizeof expected.fork_epoch);
    assert_true(policy.has_genesis_validators_root && policy.genesis_validators_root[0] == 0x91);
    assert_true(policy.slashing_protection && policy.log_level == LOG_LEVEL_INFO);
    assert_string_equal(policy.store, "sqlite:/var/lib/nitro signer/a.db");
    assert_int_equal(policy.store_kind, POLICY_STORE_SQLITE);
    assert_string_equal(policy_store_place(&policy), "/var/lib/nitro signer/a.db");
    assert_true(policy.single_mode && !policy.has_store_identity && !policy.boot_floor);
    assert_true(policy.has_far_future && policy.far_future_epochs == 2);
    assert_string_equal(policy.region, "eu-central-1");
    AUTO(buffer) again = {0};
    assert_ok(policy_format(&again, &policy));
    assert_string_equal((char *)again.data, holesky);
}

static void every_built_in_network_round_trips(void **state)
{
    (void)state;
    static const char *const names[] = {"mainnet", "hoodi",  "sepolia", "holesky",
                                        "gnosis",  "chiado", "minimal"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct policy policy = {.store = "none",
                                .kms_key = "none",
                                .region = "none",
                                .single_mode = true,
                                .log_level = LOG_LEVEL_DEBUG},
                      back;
        AUTO(buffer) text = {0}, again = {0};
        assert_ok(eth2_network_by_name(&policy.network, names[i]));
        assert_ok(policy_format(&text, &policy));
        assert_ok(policy_parse(&back, (char *)text.data, text.length));
        assert_ok(policy_format(&again, &back));
        assert_string_equal((char *)again.data, (char *)text.data);
    }
}

/* What every byte of a good document may become: another good document, or a refusal. */
static void one_byte_mutations(void **state)
{
    (void)state;
    char text[sizeof holesky];
    size_t length = strlen(holesky), accepted = 0, refused = 0;
    memcpy(text, holesky, sizeof text);
    for (size_t i = 0; i < length; i++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            struct policy policy;
            AUTO(buffer) again = {0};
            text[i] = (char)byte;
            result r = policy_parse(&policy, text, length);
            refused += r.code == E_INPUT;
            if (r.code == E_INPUT)
                continue;
            accepted++;
            assert_int_equal(r.code, E_NONE);
            assert_ok(policy_format(&again, &policy));
            assert_int_equal(again.length, length);
            assert_memory_equal(again.data, text, length);
        }
        text[i] = holesky[i];
    }
    print_message("%zu accepted, %zu refused\n", accepted, refused);
    assert_true(accepted > length && refused > 10 * accepted);
}

static void lines_missing_repeated_swapped(void **state)
{
    (void)state;
    struct policy policy;
    for (size_t i = 0; i <= strlen(holesky); i++) {
        if (i < strlen(holesky))
            assert_fails(E_INPUT, policy_parse(&policy, holesky, i));
    }
    for (const char *line = holesky; *line; line = strchr(line, '\n') + 1) {
        size_t before = (size_t)(line - holesky), line_len = strcspn(line, "\n") + 1;
        AUTO(buffer) dropped = {0}, twice = {0}, crlf = {0};
        assert_ok(buffer_append(&dropped, holesky, before));
        assert_ok(buffer_append_text(&dropped, line + line_len));
        assert_fails(E_INPUT, policy_parse(&policy, (char *)dropped.data, dropped.length));
        assert_error_names("policy: line");
        assert_ok(buffer_append(&twice, holesky, before + line_len));
        assert_ok(buffer_append_text(&twice, line));
        assert_fails(E_INPUT, policy_parse(&policy, (char *)twice.data, twice.length));
        assert_ok(buffer_append(&crlf, holesky, before + line_len - 1));
        assert_ok(buffer_append_text(&crlf, "\r"));
        assert_ok(buffer_append_text(&crlf, line + line_len - 1));
        assert_fails(E_INPUT, policy_parse(&policy, (char *)crlf.data, crlf.length));
    }
}

static void values_out_of_range_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *line, *replacement, *names;
    } bad[] = {{"nitro-signer-policy 3", "nitro-signer-policy 1", "line 1, nitro-signer-policy: version 1"},
               {"nitro-signer-policy 3", "nitro-signer-policy 2", "version 2 does not say who may connect"},
               {"nitro-signer-policy 3", "nitro-signer-policy 4", "line 1, nitro-signer-policy: must be 3"},
               {"network holesky", "network Holesky", "network: name"},
               {"network holesky", "network ", "line 2, network"},
               {"preset mainnet", "preset swift", "line 3, preset"},
               {"genesis_time 1695902400", "genesis_time 01695902400", "canonical"},
               {"genesis_time 1695902400", "genesis_time -1", "genesis_time"},
               {"seconds_per_slot 12", "seconds_per_slot 0", "seconds_per_slot"},
               {"0x01017000\n", "0x0101700\n", "phase0_fork_version"},
               {"phase0_fork_version 0x01017000", "phase0_fork_version 01017000", "canonical"},
               {"0x9143aa", "0x9143AA", "canonical"},
               {"capella_fork 0x04017000 256", "capella_fork 0x04017000 Never", "capella_fork"},
               {"capella_fork 0x04017000 256", "capella_fork 0x04017000 18446744073709551615", "deneb"},
               {"capella_fork 0x04017000 256", "capella_fork 0x04017000", "capella_fork"},
               {"capella_fork 0x04017000 256", "capella_fork 0x04017000 29697", "deneb"},
               {"fulu_fork 0x07017000 never", "fulu_fork 0x07017000 18446744073709551615", "canonical"},
               {"slashing_protection enabled", "slashing_protection yes", "slashing_protection"},
               {"store sqlite:/var/lib/nitro signer/a.db", "store none", "store"},
               {"store sqlite:/var/lib/nitro signer/a.db", "store sqlite:relative.db", "store"},
               {"store sqlite:/var/lib/nitro signer/a.db", "store none ", "store: must be"},
               {"store sqlite:/var/lib/nitro signer/a.db", "store postgresql:x", "store: must be"},
               {"store_identity none", "store_identity any", "store_identity"},
               {"store_mode single", "store_mode both", "store_mode: must be single or fleet"},
               {"store_mode single", "store_mode fleet", "store_mode: must be single with"},
               {"far_future_epochs 2", "far_future_epochs 1000001", "far_future_epochs"},
               {"far_future_epochs 2", "far_future_epochs 02", "canonical"},
               {"far_future_epochs 2", "far_future_epochs never", "far_future_epochs"},
               {"boot_floor disabled", "boot_floor off", "boot_floor"},
               {"kms_key arn:aws", "kms_key alias:aws", "kms_key"},
               {"region eu-central-1", "region eu central", "region"},
               {"access any", "access none", "access: must be the SHA-256"},
               {"access any", "access 0x0011", "access: must be the SHA-256"},
               {"access any", "access 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
                "canonical"},
               {"log_level info", "log_level INFO", "canonical"},
               {"log_level info\n", "log_level info\n\n", "follows"}};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        const char *at = strstr(holesky, bad[i].line);
        assert_non_null(at);
        AUTO(buffer) text = {0};
        struct policy policy;
        assert_ok(buffer_append(&text, holesky, (size_t)(at - holesky)));
        assert_ok(buffer_append_text(&text, bad[i].replacement));
        assert_ok(buffer_append_text(&text, at + strlen(bad[i].line)));
        result r = policy_parse(&policy, (char *)text.data, text.length);
        if (r.code != E_INPUT || !strstr(error_text(), bad[i].names))
            fail_msg("%s gave %s: %s", bad[i].replacement, error_name(r.code), error_text());
    }
}

/* The five lines of the store and its bounds, in a document that is good otherwise. */
static result read_store_lines(struct policy *ret_policy, const char *store_lines)
{
    const char *from = strstr(holesky, "store sqlite:"), *to = strstr(holesky, "kms_key ");
    AUTO(buffer) text = {0}, again = {0};
    assert_ok(buffer_append(&text, holesky, (size_t)(from - holesky)));
    assert_ok(buffer_append_text(&text, store_lines));
    assert_ok(buffer_append_text(&text, to));
    TRY(policy_parse(ret_policy, (char *)text.data, text.length));
    assert_ok(policy_format(&again, ret_policy));
    assert_string_equal((char *)again.data, (char *)text.data);
    return RESULT_OK;
}

#define IDENTITY "0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define NAME_OF_64 "A-Table_of.64.characters-0123456789-0123456789-0123456789-01234."

static void stores_across_a_network_are_read(void **state)
{
    (void)state;
    struct policy policy;
    assert_ok(read_store_lines(&policy, "store dynamodb:a.B\nstore_identity " IDENTITY
                                        "\nstore_mode single\nfar_future_epochs any\nboot_floor enabled\n"));
    assert_int_equal(policy.store_kind, POLICY_STORE_DYNAMODB);
    assert_string_equal(policy_store_place(&policy), "a.B");
    assert_null(policy_store_account(&policy));
    assert_true(policy.single_mode && policy.boot_floor && !policy.has_far_future);
    assert_true(policy.has_store_identity && policy.store_identity[1] == 0x11);
    assert_ok(read_store_lines(&policy, "store dynamodb:" NAME_OF_64 NAME_OF_64 NAME_OF_64
                                        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n"
                                        "store_identity none\nstore_mode fleet\nfar_future_epochs 1000000\n"
                                        "boot_floor disabled\n"));
    assert_int_equal(strlen(policy_store_place(&policy)), 255);
    assert_true(!policy.single_mode && !policy.has_store_identity);
    assert_true(policy.has_far_future && policy.far_future_epochs == 1000000);
    assert_ok(read_store_lines(&policy,
                               "store dynamodb:000011112222/a.B\nstore_identity none\nstore_mode fleet\n"
                               "far_future_epochs 2\nboot_floor disabled\n"));
    assert_string_equal(policy_store_account(&policy), "000011112222");
    assert_string_equal(policy_store_place(&policy), "a.B");
    assert_ok(read_store_lines(&policy, "store postgresql\nstore_identity none\nstore_mode fleet\n"
                                        "far_future_epochs 0\nboot_floor disabled\n"));
    assert_int_equal(policy.store_kind, POLICY_STORE_POSTGRESQL);
    assert_string_equal(policy_store_place(&policy), "");
    assert_null(policy_store_account(&policy));
    assert_true(policy.has_far_future && policy.far_future_epochs == 0);
}

static void stores_across_a_network_have_rules(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *names;
    } bad[] = {
        {"store dynamodb:ab\nstore_identity none\nstore_mode fleet\n", "store: dynamodb"},
        {"store dynamodb:a/b\nstore_identity none\nstore_mode fleet\n", "store: dynamodb"},
        {"store dynamodb:11112222333/table\nstore_identity none\nstore_mode fleet\n",
         "store: dynamodb: the account"},
        {"store dynamodb:1111222233334/table\nstore_identity none\nstore_mode fleet\n",
         "store: dynamodb: the account"},
        {"store dynamodb:11112222333x/table\nstore_identity none\nstore_mode fleet\n",
         "store: dynamodb: the account"},
        {"store dynamodb:/table\nstore_identity none\nstore_mode fleet\n", "store: dynamodb: the account"},
        {"store dynamodb:111122223333/\nstore_identity none\nstore_mode fleet\n",
         "store: dynamodb: must be followed"},
        {"store dynamodb:111122223333/a/b\nstore_identity none\nstore_mode fleet\n",
         "store: dynamodb: must be followed"},
        {"store dynamodb:" NAME_OF_64 NAME_OF_64 NAME_OF_64 NAME_OF_64
         "\nstore_identity none\nstore_mode fleet\n",
         "store: dynamodb"},
        {"store dynamodb:table\nstore_identity 0x0011\nstore_mode fleet\n", "store_identity"},
        {"store postgresql\nstore_identity " IDENTITY "\nstore_mode fleet\n", "store_identity: must be none"},
        {"store sqlite:/a\nstore_identity " IDENTITY "\nstore_mode single\n", "store_identity: must be none"},
        {"store postgresql\nstore_identity none\nstore_mode single\n", "store_mode: must be fleet"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct policy policy;
        AUTO(buffer) lines = {0};
        assert_ok(buffer_append_text(&lines, bad[i].lines));
        assert_ok(buffer_append_text(&lines, "far_future_epochs 2\nboot_floor disabled\n"));
        assert_fails(E_INPUT, read_store_lines(&policy, (char *)lines.data));
        assert_error_names(bad[i].names);
    }
}

static void a_floor_needs_records_and_a_known_genesis(void **state)
{
    (void)state;
    struct policy policy;
    AUTO(buffer) out = {0};
    assert_ok(policy_parse(&policy, holesky, strlen(holesky)));
    policy.boot_floor = true;
    assert_ok(policy_format(&out, &policy));
    policy.network.genesis_time = 0;
    assert_fails(E_INPUT, policy_format(&out, &policy));
    assert_error_names("boot_floor: must be disabled with genesis_time 0");
    assert_ok(policy_parse(&policy, holesky, strlen(holesky)));
    policy.boot_floor = true;
    policy.slashing_protection = false;
    assert_fails(E_INPUT, policy_format(&out, &policy));
    assert_error_names("boot_floor: must be disabled while");
}

static void makers_set_a_store_as_a_whole(void **state)
{
    (void)state;
    struct policy policy;
    AUTO(buffer) out = {0};
    assert_ok(policy_parse(&policy, holesky, strlen(holesky)));
    assert_ok(policy_set_store(&policy, "dynamodb:table"));
    assert_false(policy.single_mode);
    assert_fails(E_INPUT, policy_set_store(&policy, "sqlite:table"));
    assert_fails(E_INPUT, policy_set_store(&policy, "dynamodb"));
    assert_string_equal(policy.store, "dynamodb:table");
    assert_ok(policy_set_store(&policy, "dynamodb:111122223333/table"));
    (void)snprintf(policy.store_account, sizeof policy.store_account,
                   "444455556666"); /* and the text: another */
    assert_fails(E_INTERNAL, policy_format(&out, &policy));
    assert_ok(policy_set_store(&policy, "sqlite:/b"));
    assert_null(policy_store_account(&policy));
    assert_true(policy.single_mode);
    policy.store_kind = POLICY_STORE_DYNAMODB; /* and the text says otherwise */
    assert_fails(E_INTERNAL, policy_format(&out, &policy));
    assert_fails(E_INPUT, policy_set_far_future(&policy, "-1"));
    assert_true(policy.has_far_future && policy.far_future_epochs == 2);
}

static void a_newline_cannot_smuggle_a_line_in(void **state)
{
    (void)state;
    struct policy policy;
    AUTO(buffer) out = {0};
    assert_ok(policy_parse(&policy, holesky, strlen(holesky)));
    (void)snprintf(policy.store, sizeof policy.store, "sqlite:/a\nkms_key none");
    assert_fails(E_INPUT, policy_format(&out, &policy));
    (void)snprintf(policy.store, sizeof policy.store, "sqlite:/\xc3\xa4");
    assert_fails(E_INPUT, policy_format(&out, &policy));
    policy.store[0] = 0;
    assert_fails(E_INPUT, policy_format(&out, &policy));
    assert_int_equal(out.length, 0);
}

/* The openssl program is the oracle. */
static void the_measure_is_what_openssl_says(void **state)
{
    (void)state;
    char path[] = "/tmp/ns-policy-XXXXXX", command[256], theirs[97] = "", ours[97];
    int fd = mkstemp(path);
    static const uint8_t zeros[48];
    assert_int_equal(write(fd, zeros, sizeof zeros), 48);
    assert_int_equal(write(fd, holesky, strlen(holesky)), (int)strlen(holesky));
    (void)close(fd);
    (void)snprintf(command, sizeof command, "openssl dgst -sha384 -r %s", path);
    FILE *openssl = popen(command, "r");
    assert_non_null(openssl);
    assert_int_equal(fread(theirs, 1, 96, openssl), 96);
    (void)pclose(openssl);
    (void)unlink(path);
    uint8_t pcr[48];
    assert_ok(policy_measure(pcr, holesky, strlen(holesky)));
    hex_encode(ours, pcr, sizeof pcr);
    assert_string_equal(ours, theirs);
    assert_fails(E_INPUT, policy_measure(pcr, holesky, POLICY_TEXT_MAX + 1));
    struct policy policy;
    assert_fails(E_INPUT, policy_parse(&policy, holesky, POLICY_TEXT_MAX + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_read),
        cmocka_unit_test(every_built_in_network_round_trips),
        cmocka_unit_test(one_byte_mutations),
        cmocka_unit_test(lines_missing_repeated_swapped),
        cmocka_unit_test(values_out_of_range_are_named),
        cmocka_unit_test(stores_across_a_network_are_read),
        cmocka_unit_test(stores_across_a_network_have_rules),
        cmocka_unit_test(a_floor_needs_records_and_a_known_genesis),
        cmocka_unit_test(makers_set_a_store_as_a_whole),
        cmocka_unit_test(a_newline_cannot_smuggle_a_line_in),
        cmocka_unit_test(the_measure_is_what_openssl_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
