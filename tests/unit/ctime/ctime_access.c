/* ctime_access.c - what is known of tokens and passwords of the API, and the seals of a shared slashing
 * record. Here is what the front asks of a request. */
#include <string.h>
#include <strings.h>

#include "ctime.h"
#include "front/front.h"
#include "policy/policy_credentials.h"
#include "slashing/slashing_seal.h"

enum { TOKENS = 3 };

static const char *authorization, *host = "signer";
static int status;

const char *net_http_header(struct net_http_request *request, const char *name)
{
    (void)request;
    return strcasecmp(name, "authorization") == 0 ? authorization : NULL;
}

const char *net_http_host(const struct net_http_request *request)
{
    (void)request;
    return host;
}

enum net_http_method net_http_method(const struct net_http_request *request)
{
    (void)request;
    return NET_HTTP_GET;
}

void net_http_reply_header(struct net_http_request *request, const char *name, const char *value)
{
    (void)request, (void)name, (void)value;
}

void net_http_reply(struct net_http_request *request, int code, const char *content_type, const void *body,
                    size_t body_len)
{
    (void)request, (void)content_type, (void)body, (void)body_len;
    status = code;
}

void front_reply_error(struct net_http_request *request, int code, const char *format, ...)
{
    (void)request, (void)format;
    status = code;
}

/* The digests of some lines, of which the second is the one that will be asked with. */
static void know(struct secret *ret_digests, const char *right)
{
    static const char *const others[TOKENS] = {"AAAAAAAAAAAAAAAAAAAAAAA", NULL, "ZZZZZZZZZZZZZZZZZZZZZZZZ"};
    EXPECT_OK(secret_new(ret_digests, (size_t)TOKENS * POLICY_DIGEST_LEN));
    for (size_t i = 0; i < TOKENS; i++) {
        const char *line = others[i] ? others[i] : right;
        EXPECT_OK(policy_credential_digest(ret_digests->data + i * POLICY_DIGEST_LEN, line, strlen(line)));
    }
    ctime_secret(ret_digests->data, ret_digests->length);
}

static void try_bearer(struct front *front)
{
    know(&front->manager_tokens, "a-token-of-the-key-manager");
    authorization = "Bearer a-token-of-the-key-manager";
    EXPECT(front_bears_token(front, NULL));
    authorization = "Bearer a-token-of-the-key-manages";
    EXPECT(!front_bears_token(front, NULL) && status == 401);
}

static void try_credentials(struct front *front)
{
    const char *path = "/a-token-in-the-path-of-it/upcheck";
    front->origins.any = front->hosts.any = true;
    know(&front->basic, "user:a-password-of-some-length");
    know(&front->tokens, "a-token-in-the-path-of-it");
    authorization = "Basic dXNlcjphLXBhc3N3b3JkLW9mLXNvbWUtbGVuZ3Ro";
    EXPECT(front_admits(front, NULL, &path));
    authorization = "Basic dXNlcjphLXBhc3N3b3JkLW9mLXNvbWUtbGVuZ3Ri";
    EXPECT(front_admits(front, NULL, &path) && strcmp(path, "/upcheck") == 0);
    EXPECT(!front_admits(front, NULL, &path) && status == 401);
    secret_cleanup(&front->basic);
    EXPECT(!front_admits(front, NULL, &path) && status == 403);
}

static void try_seals(void)
{
    static const uint8_t store_id[SLASHING_STORE_ID_LEN] = {1}, pubkey[48] = {2};
    struct slashing_seal seal = {0};
    struct slashing_entry entry = {0};
    struct slashing_head head = {0};
    AUTO(secret) key = {0};
    EXPECT_OK(secret_new(&key, SLASHING_SEAL_KEY_LEN));
    ctime_secret(key.data, key.length);
    EXPECT_OK(slashing_seal_open(&seal, &key, store_id));
    EXPECT_OK(slashing_seal_entry(&seal, &entry, pubkey));
    EXPECT_OK(slashing_seal_head(&seal, &head));
    EXPECT_OK(slashing_seal_check_entry(&seal, &entry, pubkey));
    EXPECT_OK(slashing_seal_check_head(&seal, &head));
    entry.stamp.mac[0] ^= 1;
    head.mac[SLASHING_MAC_LEN - 1] ^= 1;
    EXPECT(slashing_seal_check_entry(&seal, &entry, pubkey).code == E_STORE);
    EXPECT(slashing_seal_check_head(&seal, &head).code == E_STORE);
    slashing_seal_cleanup(&seal);
}

int main(void)
{
    static struct front front;
    ctime_begin();
    try_bearer(&front);
    try_credentials(&front);
    secret_cleanup(&front.manager_tokens);
    secret_cleanup(&front.tokens);
    try_seals();
    return 0;
}
