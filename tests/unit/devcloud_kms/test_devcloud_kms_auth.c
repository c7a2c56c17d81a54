/* test_devcloud_kms_auth.c - requests signed by lib/aws and then bent in one place each. */
#include "testing.h"

#include "aws/aws_sigv4.h"
#include "devcloud/devcloud_kms_auth.h"

enum { HEADERS_MAX = 8 };
#define NOW_MS 1767225600000 /* 2026-01-01T00:00:00Z */

struct headers {
    struct aws_sigv4_header list[HEADERS_MAX];
    size_t num;
};

static const char *lookup(void *context, const char *name)
{
    const struct headers *h = context;
    for (size_t i = 0; i < h->num; i++) {
        if (strcasecmp(h->list[i].name, name) == 0)
            return h->list[i].value;
    }
    return NULL;
}

static void set_header(struct headers *h, const char *name, const char *value)
{
    for (size_t i = 0; i < h->num; i++) {
        if (strcasecmp(h->list[i].name, name) == 0) {
            h->list[i].value = value;
            return;
        }
    }
    h->list[h->num++] = (struct aws_sigv4_header){name, value};
}

static struct aws_credentials credentials;

/* A request for x-amz-date now; signs all headers but the last unsigned_tail. */
static void sign(struct headers *h, char authorization[static 1024], const char *access_key_id,
                 size_t unsigned_tail, const struct aws_sigv4_scope *scope)
{
    const struct aws_sigv4_request request = {.method = "POST",
                                              .path = "/",
                                              .query = "",
                                              .headers = h->list,
                                              .num_headers = h->num - unsigned_tail,
                                              .body = (const uint8_t *)"{}",
                                              .body_len = 2};
    AUTO(buffer) out = {0};
    assert_ok(aws_sigv4_authorization(&out, &request, scope, access_key_id, &credentials.secret_access_key));
    (void)snprintf(authorization, 1024, "%s", (const char *)out.data);
    set_header(h, "Authorization", authorization);
}

static struct headers good_headers(void)
{
    struct headers h = {0};
    set_header(&h, "Host", "kms.us-east-1.amazonaws.com");
    set_header(&h, "X-Amz-Date", "20260101T000000Z");
    set_header(&h, "X-Amz-Security-Token", "TOKEN");
    set_header(&h, "X-Amz-Target", "TrentService.Decrypt");
    return h;
}

static uint32_t port; /* where the KMS listens */
static const struct aws_sigv4_scope good_scope = {"20260101T000000Z", "us-east-1", "kms"};

static result verify(struct kms_refusal *refusal, struct headers *h, const char *body, uint64_t now_ms)
{
    const struct kms_signed_request request = {.method = "POST",
                                               .path = "/",
                                               .query = "",
                                               .header = lookup,
                                               .header_context = h,
                                               .body = (const uint8_t *)body,
                                               .body_len = strlen(body)};
    const struct kms_auth_expected expected = {"us-east-1", &credentials, now_ms, port};
    return devcloud_kms_auth_verify(refusal, &request, &expected);
}

static void assert_refused(const char *type, struct headers *h, const char *body, uint64_t now_ms)
{
    struct kms_refusal refusal = {0};
    result r = verify(&refusal, h, body, now_ms);
    if (r.code == E_NONE || strcmp(refusal.type, type) != 0)
        fail_msg("expected %s, got %s: %s", type, refusal.type ? refusal.type : "nothing", error_text());
}

static void a_good_signature(void **state)
{
    (void)state;
    struct headers h = good_headers();
    struct kms_refusal refusal = {0};
    char authorization[1024];
    sign(&h, authorization, "AKID", 0, &good_scope);
    assert_ok(verify(&refusal, &h, "{}", NOW_MS));
    assert_ok(verify(&refusal, &h, "{}", NOW_MS + KMS_CLOCK_SKEW_MS));
    assert_ok(verify(&refusal, &h, "{}", NOW_MS - KMS_CLOCK_SKEW_MS));
    set_header(&h, "User-Agent", "not signed, and need not be");
    assert_ok(verify(&refusal, &h, "{}", NOW_MS));
}

/* The reader of requests takes the port off the host; who connects to it signs it. */
static void a_port_behind_the_host(void **state)
{
    (void)state;
    struct headers h = good_headers();
    char authorization[1024];
    set_header(&h, "Host", "localhost:4599");
    sign(&h, authorization, "AKID", 0, &good_scope);
    set_header(&h, "Host", "localhost");
    assert_refused("InvalidSignatureException", &h, "{}", NOW_MS);
    port = 4598;
    assert_refused("InvalidSignatureException", &h, "{}", NOW_MS);
    port = 4599;
    struct kms_refusal refusal = {0};
    assert_ok(verify(&refusal, &h, "{}", NOW_MS));
    h = good_headers();
    sign(&h, authorization, "AKID", 0, &good_scope);
    assert_ok(verify(&refusal, &h, "{}", NOW_MS));
    port = 0;
}

static void every_bend_is_seen(void **state)
{
    (void)state;
    struct headers h = good_headers();
    char authorization[1024];
    sign(&h, authorization, "AKID", 0, &good_scope);
    assert_refused("InvalidSignatureException", &h, "{ }", NOW_MS);
    assert_refused("InvalidSignatureException", &h, "{}", NOW_MS + KMS_CLOCK_SKEW_MS + 1);
    assert_refused("InvalidSignatureException", &h, "{}", NOW_MS - KMS_CLOCK_SKEW_MS - 1);
    set_header(&h, "Host", "kms.eu-west-1.amazonaws.com");
    assert_refused("InvalidSignatureException", &h, "{}", NOW_MS);
    set_header(&h, "Host", "kms.us-east-1.amazonaws.com");
    set_header(&h, "X-Amz-Target", "TrentService.Encrypt");
    assert_refused("InvalidSignatureException", &h, "{}", NOW_MS);
    set_header(&h, "X-Amz-Target", "TrentService.Decrypt");
    set_header(&h, "X-Amz-Security-Token", "TOKEM");
    assert_refused("UnrecognizedClientException", &h, "{}", NOW_MS);
    set_header(&h, "X-Amz-Security-Token", "TOKEN");
    set_header(&h, "X-Amz-Date", "20260101T000001Z");
    assert_refused("InvalidSignatureException", &h, "{}", NOW_MS);
    set_header(&h, "X-Amz-Date", "yesterday");
    assert_refused("IncompleteSignatureException", &h, "{}", NOW_MS);
    set_header(&h, "X-Amz-Date", "20260101T000000Z");
    authorization[strlen(authorization) - 1] ^= 1;
    assert_refused("InvalidSignatureException", &h, "{}", NOW_MS);
}

static void wrong_key_scope_or_signed_headers(void **state)
{
    (void)state;
    char authorization[1024];
    struct headers h = good_headers();
    sign(&h, authorization, "AKIE", 0, &good_scope);
    assert_refused("UnrecognizedClientException", &h, "{}", NOW_MS);
    h = good_headers();
    sign(&h, authorization, "AKID", 0, &(struct aws_sigv4_scope){"20260101T000000Z", "eu-west-1", "kms"});
    assert_refused("InvalidSignatureException", &h, "{}", NOW_MS);
    h = good_headers();
    sign(&h, authorization, "AKID", 0, &(struct aws_sigv4_scope){"20260101T000000Z", "us-east-1", "s3"});
    assert_refused("InvalidSignatureException", &h, "{}", NOW_MS);
    h = good_headers();
    sign(&h, authorization, "AKID", 1, &good_scope); /* the target is sent, not signed */
    assert_refused("InvalidSignatureException", &h, "{}", NOW_MS);
}

static void malformed_authorization(void **state)
{
    (void)state;
    struct headers h = good_headers();
    assert_refused("MissingAuthenticationTokenException", &h, "{}", NOW_MS);
    static const char *const bad[] = {
        "",
        "Basic dXNlcjpwdw==",
        "AWS4-HMAC-SHA256 ",
        "AWS4-HMAC-SHA256 Credential=AKID",
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/kms/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/kms/aws4_request, "
        "SignedHeaders=x-amz-date;host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/kms/aws4_request, SignedHeaders=host;host, "
        "Signature=00",
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/kms/aws4_request, "
        "SignedHeaders=a;b;c;d;e;f;g;h;i;j;k;l;m;n;o;p;q, Signature=00",
        "AWS4-HMAC-SHA256 Signature=00, SignedHeaders=host, "
        "Credential=AKID/20260101/us-east-1/kms/aws4_request"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        set_header(&h, "Authorization", bad[i]);
        assert_refused("IncompleteSignatureException", &h, "{}", NOW_MS);
    }
    char *huge = malloc(70000);
    assert_non_null(huge);
    memset(huge, 'A', 69999);
    huge[69999] = 0;
    set_header(&h, "Authorization", huge);
    assert_refused("IncompleteSignatureException", &h, "{}", NOW_MS);
    free(huge);
    set_header(
        &h, "Authorization",
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/kms/aws4_request, SignedHeaders=, Signature=00");
    assert_refused("InvalidSignatureException", &h, "{}", NOW_MS);
    set_header(&h, "Authorization",
               "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/kms/aws4_request, "
               "SignedHeaders=host;x-amz-date;x-amz-missing;x-amz-security-token;x-amz-target, Signature=00");
    assert_refused("InvalidSignatureException", &h, "{}", NOW_MS);
}

int main(void)
{
    if (secret_heap_open(65536).code || aws_credentials_new(&credentials, "AKID", "KEY", "TOKEN").code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_signature),        cmocka_unit_test(a_port_behind_the_host),
        cmocka_unit_test(every_bend_is_seen),      cmocka_unit_test(wrong_key_scope_or_signed_headers),
        cmocka_unit_test(malformed_authorization),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
