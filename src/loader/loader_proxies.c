/* loader_proxies.c - see loader_proxies.h. A proxy that cannot be opened costs its module that proxy, and no
 * validator a duty: it is no failed key of the signer's health. */
#include "loader_proxies.h"

#include <string.h>

#include "base/log.h"
#include "loader_proxy_folder.h"
#include "loader_record.h"
#include "wallet/wallet.h"

enum { FILE_MAX = 16384, JOBS_AHEAD = 256 };

result loader_proxies_password(struct secret *ret_password, const struct loader_settings *settings)
{
    result r = secret_read_file(ret_password, settings->proxy_keystores_password_file, IPC_PASSWORD_MAX);
    return r.code ? error_prefix(r, "--proxy-keystores-password-file") : r;
}

result loader_proxies_send(int socket, const struct ipc_proxy_key *key)
{
    AUTO(secret) packet = {0};
    TRY(secret_new(&packet, IPC_HEADER_LEN + IPC_PROXY_LEN + BLS_SECRET_LEN));
    struct packer p = {.data = packet.data, .capacity = packet.length};
    ipc_pack_proxy_key(&p, key);
    TRY(pack_end(&p));
    return ipc_send(socket, p.data, p.length, -1);
}

static must_check result open_wallet(struct keystore *ret_key, const struct secret *text,
                                     const struct secret *password)
{
    AUTO(wallet) wallet = {0};
    TRY(wallet_decrypt(&wallet, (const char *)text->data, text->length, password->data, password->length,
                       LOADER_KDF_MEMORY_MAX));
    struct keystore key = {.secret = wallet.secret};
    wallet.secret = (struct secret){0};
    memcpy(key.pubkey, wallet.pubkey, sizeof wallet.pubkey);
    *ret_key = key;
    return RESULT_OK;
}

result loader_proxies_open(struct keystore *ret_key, const struct loader_proxy_file *file,
                           const struct secret *password)
{
    AUTO(secret) text = {0};
    TRY(secret_read_file(&text, file->path, FILE_MAX));
    if (file->scheme == IPC_SCHEME_ECDSA)
        return open_wallet(ret_key, &text, password);
    return keystore_decrypt(ret_key, (const char *)text.data, text.length, password->data, password->length,
                            LOADER_KDF_MEMORY_MAX);
}

static must_check result add_job(struct loader_pool *pool, const struct loader_proxy_file *file,
                                 const struct secret *password)
{
    struct loader_job job = {.kind = LOADER_JOB_PROXY, .proxy = file, .proxy_password = password};
    return loader_pool_add(pool, &job);
}

static must_check result report(int socket, const struct loader_proxy_file *file, struct loader_job *job,
                                uint32_t *num_failed)
{
    if (job->error) {
        log_error("proxy key %s: %s", file->path, job->text);
        ++*num_failed;
        return RESULT_OK;
    }
    TRY(loader_proxies_send(socket, &(struct ipc_proxy_key){.proxy = {.scheme = file->scheme,
                                                                      .delegator = file->delegator,
                                                                      .pubkey = job->key.pubkey},
                                                            .secret = job->key.secret.data}));
    keystore_cleanup(&job->key);
    return RESULT_OK;
}

result loader_proxies_load(int socket, const struct loader_settings *settings)
{
    AUTO(loader_proxy_files) files = {0};
    AUTO(secret) password = {0};
    AUTO(loader_pool) pool = {0}; /* cleaned up first: its jobs borrow the others */
    size_t added = 0;
    uint32_t num_failed = 0;
    if (!settings->proxy_keystores_path)
        return RESULT_OK;
    TRY(loader_proxies_password(&password, settings));
    TRY(loader_proxy_folder_list(&files, settings->proxy_keystores_path));
    TRY(loader_pool_open(&pool, NULL, settings->jobs));
    for (size_t i = 0; i < files.num_items; i++) {
        for (; added < files.num_items && added < i + JOBS_AHEAD; added++)
            TRY(add_job(&pool, &files.items[added], &password));
        TRY(report(socket, &files.items[i], loader_pool_wait(&pool, i), &num_failed));
    }
    log_info("%zu proxy keys loaded, %u failed", files.num_items - num_failed, num_failed);
    return RESULT_OK;
}
