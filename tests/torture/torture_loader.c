/* torture_loader.c - a load: records come in by a socket and are opened by several threads, and keys go back;
 * then a key is put into the folder of the key manager. Whatever fails, what the keeper is given is the right
 * key of the right public key, a record that could not be opened is told with its reason, and after a power
 * failure all files of a key are there, or it is not. */
#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/file_io.h"
#include "base/hex.h"
#include "ipc/ipc.h"
#include "keystore/keystore.h"
#include "loader/loader_folder.h"
#include "loader/loader_modes.h"
#include "loader/loader_tls.h"
#include "nitro/nitro_envelope.h"
#include "torture.h"

#define FUZZ NS_TORTURE_FOLDER "/../fuzz"
#define PASSWORD "password"

enum { KEYS = 3, TLS = KEYS, STORE_KEY, RECORDS, PLAINTEXT_MAX = 16384, MANAGED = 0 };

static uint8_t secrets[KEYS][BLS_SECRET_LEN], pubkeys[KEYS][BLS_PUBKEY_LEN], store_key[IPC_STORE_KEY_LEN];
static struct buffer keystores[KEYS], envelopes[RECORDS], recipient;
static uint8_t spki_digest[LOADER_DIGEST_LEN];

/* What the keeper has got of a load. */
struct keeper {
    int socket;
    unsigned num_keys, num_failed;
    bool tls, store_key, ended;
};

/* ---- what is loaded ---- */

static void make_pair(struct buffer *out, const char *content_name, const struct buffer *content,
                      const char *password_name)
{
    static char text[2 * PLAINTEXT_MAX];
    char password[32];
    torture_must(content->length < PLAINTEXT_MAX ? RESULT_OK : error_set(E_TOO_LARGE, "a fixture"));
    base64_encode(text, content->data, content->length);
    base64_encode(password, (const uint8_t *)PASSWORD, strlen(PASSWORD));
    torture_must(
        buffer_printf(out, "{\"%s\":\"%s\",\"%s\":\"%s\"}", content_name, text, password_name, password));
}

static void make_plaintext(struct buffer *out, size_t record)
{
    AUTO(buffer) pkcs12 = {0};
    AUTO(loader_tls) tls = {0};
    AUTO(secret) password = {0};
    if (record < KEYS) {
        make_pair(out, "keystore_b64", &keystores[record], "password_b64");
    } else if (record == STORE_KEY) {
        torture_must(buffer_append(out, store_key, sizeof store_key));
    } else {
        torture_must(file_read(&pkcs12, FUZZ "/corpus/tls_files/sealed.p12", LOADER_PKCS12_MAX));
        torture_must(secret_copy(&password, PASSWORD, strlen(PASSWORD)));
        torture_must(loader_tls_open(&tls, pkcs12.data, pkcs12.length, &password));
        memcpy(spki_digest, tls.spki_digest, sizeof spki_digest);
        make_pair(out, "tls_keystore_b64", &pkcs12, "tls_password_b64");
    }
}

static void prepare(void)
{
    uint8_t *der = NULL, *spki = NULL;
    torture_must(secret_heap_open(1 << 20));
    torture_warm_openssl();
    FILE *file = fopen(FUZZ "/keys/envelope.pem", "r");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    int der_len = key ? i2d_PrivateKey(key, &der) : 0, spki_len = key ? i2d_PUBKEY(key, &spki) : 0;
    torture_must(der_len > 0 && spki_len > 0 ? buffer_append(&recipient, der, (size_t)der_len)
                                             : error_set(E_IO, "no key"));
    memset(store_key, 0x77, sizeof store_key);
    for (size_t i = 0; i < KEYS; i++) {
        secrets[i][31] = (uint8_t)(i + 1);
        torture_must(bls_public_key(pubkeys[i], secrets[i]));
        torture_must(keystore_encrypt(&keystores[i], secrets[i], "m/12381/3600/0/0/0",
                                      (const uint8_t *)PASSWORD, strlen(PASSWORD), KEYSTORE_PBKDF2, 2));
    }
    for (size_t i = 0; i < RECORDS; i++) {
        AUTO(buffer) plaintext = {0};
        make_plaintext(&plaintext, i);
        torture_must(envelope_seal(&envelopes[i], spki, (size_t)spki_len, plaintext.data, plaintext.length));
    }
    OPENSSL_free(der);
    OPENSSL_free(spki);
    EVP_PKEY_free(key);
    (void)fclose(file);
}

/* ---- the keeper, whose calls never fail ---- */

static must_check result send_records(struct keeper *keeper, uint8_t *packet)
{
    struct packer p = {.data = packet, .capacity = IPC_PACKET_MAX};
    ipc_pack_bytes_message(&p, IPC_RECIPIENT_KEY,
                           (struct ipc_bytes){recipient.data, (uint32_t)recipient.length});
    TRY(ipc_send(keeper->socket, p.data, p.length, -1));
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct ipc_record record = {.kind = i == TLS         ? IPC_RECORD_TLS
                                            : i == STORE_KEY ? IPC_RECORD_STORE_KEY
                                                             : IPC_RECORD_VALIDATOR,
                                    .index = i,
                                    .envelope = {envelopes[i].data, (uint32_t)envelopes[i].length},
                                    .pubkey = i < KEYS ? pubkeys[i] : NULL};
        p = (struct packer){.data = packet, .capacity = IPC_PACKET_MAX};
        ipc_pack_record(&p, &record);
        TRY(ipc_send(keeper->socket, p.data, p.length, -1));
    }
    p = (struct packer){.data = packet, .capacity = IPC_PACKET_MAX};
    ipc_pack_load_end(&p, RECORDS);
    return ipc_send(keeper->socket, p.data, p.length, -1);
}

static must_check result take_keys(struct keeper *keeper, struct ipc_message *message)
{
    for (uint32_t i = 0; i < message->count; i++) {
        struct ipc_loaded_key loaded;
        TRY(ipc_take_loaded_key(&loaded, &message->body));
        torture_require(loaded.index < KEYS &&
                            memcmp(loaded.secret, secrets[loaded.index], BLS_SECRET_LEN) == 0 &&
                            memcmp(loaded.pubkey, pubkeys[loaded.index], BLS_PUBKEY_LEN) == 0,
                        "record %u became another key", loaded.index);
        keeper->num_keys++;
    }
    return RESULT_OK;
}

static must_check result take_rest(struct keeper *keeper, struct ipc_message *message)
{
    struct ipc_tls tls;
    struct ipc_record_failed failed;
    struct ipc_loader_end end;
    const uint8_t *key;
    if (message->type == IPC_TLS) {
        TRY(ipc_take_tls(&tls, message));
        torture_require(tls.private_key.length > 0 && tls.certificates.length > 0 &&
                            memcmp(tls.spki_digest, spki_digest, sizeof spki_digest) == 0,
                        "another TLS key");
        keeper->tls = true;
    } else if (message->type == IPC_STORE_KEY) {
        TRY(ipc_take_store_key(&key, message));
        torture_require(memcmp(key, store_key, sizeof store_key) == 0, "another store's key");
        keeper->store_key = true;
    } else if (message->type == IPC_RECORD_FAILED) {
        TRY(ipc_take_record_failed(&failed, message));
        torture_require(failed.index < RECORDS && failed.text.length > 0 && failed.error,
                        "record %u failed without a reason", failed.index);
        keeper->num_failed++;
    } else {
        ENSURE(message->type == IPC_LOAD_END, E_PEER, "message 0x%04x", message->type);
        TRY(ipc_take_loader_end(&end, message));
        torture_require(end.keys == keeper->num_keys && end.failed == keeper->num_failed,
                        "%u keys and %u failures are told", end.keys, end.failed);
        keeper->ended = true;
    }
    return RESULT_OK;
}

static void *be_keeper(void *argument)
{
    static _Thread_local uint8_t packet[IPC_PACKET_MAX];
    struct keeper *keeper = argument;
    struct ipc_message message;
    size_t length = 0;
    torture_pause();
    result r = send_records(keeper, packet);
    while (!r.code && !ipc_receive(keeper->socket, packet, &length, NULL).code) {
        r = ipc_open(&message, packet, length);
        if (!r.code)
            r = message.type == IPC_KEY ? take_keys(keeper, &message) : take_rest(keeper, &message);
        torture_require(!r.code, "the keeper cannot read that: %s", error_text());
    }
    return NULL;
}

/* ---- the loader ---- */

static result load(struct keeper *ret_keeper)
{
    const struct loader_settings settings = {.mode = "records", .jobs = 2};
    int sockets[2];
    pthread_t thread;
    torture_pause();
    *ret_keeper = (struct keeper){0};
    torture_must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0
                     ? RESULT_OK
                     : error_set(E_IO, "no sockets"));
    ret_keeper->socket = sockets[0];
    torture_must(pthread_create(&thread, NULL, be_keeper, ret_keeper) == 0 ? RESULT_OK
                                                                           : error_set(E_IO, "no thread"));
    torture_go_on();
    result r = loader_run_records(sockets[1], &settings);
    torture_pause();
    (void)close(sockets[1]);
    (void)pthread_join(thread, NULL);
    (void)close(sockets[0]);
    torture_require(r.code || (ret_keeper->ended && ret_keeper->num_keys + ret_keeper->num_failed +
                                                            ret_keeper->tls + ret_keeper->store_key ==
                                                        RECORDS),
                    "a load without an end, or with less than it was");
    torture_go_on();
    return r;
}

static bool is_whole(const struct keeper *keeper)
{
    return keeper->num_keys == KEYS && keeper->tls && keeper->store_key;
}

static result save(const char *path)
{
    AUTO(secret) password = {0};
    int folder = -1;
    TRY(secret_copy(&password, PASSWORD, strlen(PASSWORD)));
    TRY(loader_folder_open(&folder, path));
    result r = loader_folder_prepare(folder, pubkeys[MANAGED], &keystores[MANAGED], &password);
    if (!r.code)
        r = loader_folder_commit(folder, pubkeys[MANAGED]);
    (void)close(folder);
    return r;
}

static void act(const char *folder)
{
    bool *saved = torture_memory();
    struct keeper keeper;
    torture_begin();
    torture_outcome(load(&keeper));
    torture_require(!torture_is_counting() || is_whole(&keeper), "%u keys", keeper.num_keys);
    result r = save(folder);
    *saved = !r.code;
    torture_outcome(r);
    torture_lift();
    torture_recovered(load(&keeper));
    torture_require(is_whole(&keeper) || torture_is_in_openssl(), "%u keys afterwards", keeper.num_keys);
    torture_end();
}

/* ---- what the disk has kept ---- */

static bool has(const char *folder, const char *ending, const void *wanted, size_t wanted_len)
{
    AUTO(buffer) found = {0};
    char hex[2 * BLS_PUBKEY_LEN + 3], path[TORTURE_PATH_MAX + 128];
    hex_encode_0x(hex, pubkeys[MANAGED], BLS_PUBKEY_LEN);
    (void)snprintf(path, sizeof path, "%s/%s.%s", folder, hex, ending);
    return !file_read(&found, path, PLAINTEXT_MAX).code && found.length >= wanted_len &&
           memcmp(found.data, wanted, wanted_len) == 0;
}

static void check_folder(const char *path, bool must_be)
{
    bool is_there = has(path, "yaml", "", 0);
    torture_require(is_there || !must_be, "a key that was saved is gone");
    torture_require(!is_there ||
                        (has(path, "json", keystores[MANAGED].data, keystores[MANAGED].length) &&
                         has(path, "password", PASSWORD, strlen(PASSWORD)) && has(path, "yaml", "type", 4)),
                    "a part of a key is there");
}

static void check(const char *folder)
{
    const bool *saved = torture_memory();
    int fd = -1;
    check_folder(folder, *saved);
    torture_must(loader_folder_open(&fd, folder));
    torture_recovered(loader_folder_sweep(fd));
    (void)close(fd);
    check_folder(folder, *saved);
    torture_recovered(save(folder));
    check_folder(folder, true);
}

int main(void)
{
    const struct torture_scenario scenario = {.name = NS_TORTURE_NAME,
                                              .prepare = prepare,
                                              .act = act,
                                              .check = check,
                                              .all_threads = true,
                                              .one_place_in = 60};
    return torture_main(&scenario);
}
