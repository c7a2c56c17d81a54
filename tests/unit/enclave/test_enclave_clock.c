/* test_enclave_clock.c - what is done to the enclave's clock, reading by reading. */
#include "testing.h"

#include "enclave/enclave_clock.h"

#define SECOND INT64_C(1000000000)
#define NOW (INT64_C(1790000000) * SECOND) /* 2026-09-21 */
#define DAY (INT64_C(86400) * SECOND)

static struct enclave_clock_verdict decide(struct enclave_clock_reading reading)
{
    return enclave_clock_decide(&reading);
}

#define assert_action(verdict, expected, from)                                                               \
    do {                                                                                                     \
        assert_int_equal((verdict).action, expected);                                                        \
        assert_string_equal((verdict).source, from);                                                         \
    } while (0)

static void without_a_source_the_kernel_is_believed(void **state)
{
    (void)state;
    struct enclave_clock_verdict v =
        decide((struct enclave_clock_reading){.booting = true, .system_ns = NOW});
    assert_action(v, ENCLAVE_CLOCK_KEEP, "none");
    assert_null(v.complaint);
    v = decide((struct enclave_clock_reading){.booting = true, .system_ns = 0});
    assert_action(v, ENCLAVE_CLOCK_KEEP, "none");
    assert_non_null(v.complaint);
}

static void the_boot_sets_the_clock_either_way(void **state)
{
    (void)state;
    const int64_t offsets[] = {-10 * DAY, -SECOND, 2000000, 3 * SECOND, 400 * DAY};
    for (size_t i = 0; i < ARRAY_LENGTH(offsets); i++) {
        struct enclave_clock_verdict v = decide((struct enclave_clock_reading){
            .booting = true, .has_ptp = true, .ptp_ns = NOW, .system_ns = NOW - offsets[i]});
        assert_action(v, ENCLAVE_CLOCK_STEP, "ptp");
        assert_true(v.offset_ns == offsets[i]);
        assert_null(v.complaint);
    }
    struct enclave_clock_verdict v = decide((struct enclave_clock_reading){
        .booting = true, .has_ptp = true, .ptp_ns = NOW, .system_ns = NOW - 900000});
    assert_action(v, ENCLAVE_CLOCK_KEEP, "ptp");
}

static void a_document_is_only_good_for_seconds(void **state)
{
    (void)state;
    struct enclave_clock_reading r = {
        .booting = true, .has_nsm = true, .nsm_ns = NOW, .system_ns = NOW + 1900000000};
    assert_action(decide(r), ENCLAVE_CLOCK_KEEP, "nsm");
    r.system_ns = NOW + 2100000000;
    assert_action(decide(r), ENCLAVE_CLOCK_STEP, "nsm");
    r.booting = false;
    assert_action(decide(r), ENCLAVE_CLOCK_SLEW, "nsm");
}

static void a_running_clock_never_goes_back(void **state)
{
    (void)state;
    struct enclave_clock_reading r = {.has_ptp = true, .ptp_ns = NOW};
    r.system_ns = NOW + 2000000; /* a little ahead */
    assert_action(decide(r), ENCLAVE_CLOCK_SLEW, "ptp");
    assert_null(decide(r).complaint);
    r.system_ns = NOW + 3600 * SECOND;
    assert_action(decide(r), ENCLAVE_CLOCK_SLEW, "ptp");
    assert_non_null(decide(r).complaint);
    r.system_ns = NOW - 400000000; /* a little behind */
    assert_action(decide(r), ENCLAVE_CLOCK_SLEW, "ptp");
    r.system_ns = NOW - 600000000; /* as after a pause */
    assert_action(decide(r), ENCLAVE_CLOCK_STEP, "ptp");
    assert_true(decide(r).offset_ns == 600000000);
    r.system_ns = NOW - DAY;
    assert_action(decide(r), ENCLAVE_CLOCK_STEP, "ptp");
    for (int sign = -1; sign <= 1; sign += 2) {
        r.system_ns = NOW + sign * (DAY + 1);
        assert_action(decide(r), ENCLAVE_CLOCK_REFUSE, "ptp");
        assert_non_null(decide(r).complaint);
    }
}

static void an_absurd_source_is_not_believed(void **state)
{
    (void)state;
    const int64_t absurd[] = {0, INT64_C(1767225599) * SECOND, INT64_C(4102444801) * SECOND};
    for (size_t i = 0; i < ARRAY_LENGTH(absurd); i++) {
        struct enclave_clock_reading r = {
            .booting = true, .has_ptp = true, .ptp_ns = absurd[i], .system_ns = NOW};
        assert_action(decide(r), ENCLAVE_CLOCK_REFUSE, "none");
        assert_non_null(decide(r).complaint);
        r.has_nsm = true;
        r.nsm_ns = NOW + 10 * SECOND;
        assert_action(decide(r), ENCLAVE_CLOCK_STEP, "nsm");
        assert_non_null(decide(r).complaint);
        r = (struct enclave_clock_reading){
            .booting = true, .has_nsm = true, .nsm_ns = absurd[i], .system_ns = NOW};
        assert_action(decide(r), ENCLAVE_CLOCK_REFUSE, "none");
    }
}

static void the_nsm_overrules_a_ptp_clock_that_differs(void **state)
{
    (void)state;
    struct enclave_clock_reading r = {.booting = true,
                                      .has_ptp = true,
                                      .has_nsm = true,
                                      .ptp_ns = NOW,
                                      .nsm_ns = NOW + 6 * SECOND,
                                      .system_ns = NOW};
    struct enclave_clock_verdict v = decide(r);
    assert_action(v, ENCLAVE_CLOCK_STEP, "nsm");
    assert_true(v.offset_ns == 6 * SECOND);
    assert_non_null(v.complaint);
    r.nsm_ns = NOW + 4 * SECOND;
    assert_action(decide(r), ENCLAVE_CLOCK_KEEP, "ptp");
    assert_null(decide(r).complaint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_source_the_kernel_is_believed),
        cmocka_unit_test(the_boot_sets_the_clock_either_way),
        cmocka_unit_test(a_document_is_only_good_for_seconds),
        cmocka_unit_test(a_running_clock_never_goes_back),
        cmocka_unit_test(an_absurd_source_is_not_believed),
        cmocka_unit_test(the_nsm_overrules_a_ptp_clock_that_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
