/* loader_manage.c - manage mode: one request to the key manager, in a process of its own.
 *
 *   import   KEYSTORE... and LOAD_END in; keys, failures and LOAD_END out. By then the files of each key that
 *            was decrypted are written under hidden names: a folder that cannot be written to shows before
 *            anything else is changed. FILES gives them their names, once their histories are durable.
 *   delete   FILES names the keys; FILE_DONE says of each whether its files are gone. */
#include <stdlib.h>
#include <string.h>

#include "base/secret_text.h"

#include "ipc/ipc.h"
#include "loader_folder.h"
#include "loader_modes.h"
#include "loader_pool.h"
#include "loader_report.h"

struct manage {
    int socket, folder;
    const struct loader_settings *settings;
    struct secret packet;
    struct loader_pool pool;
    struct loader_report report;
};

static void manage_cleanup(struct manage *m)
{
    loader_report_cleanup(&m->report);
    loader_pool_cleanup(&m->pool);
    secret_cleanup(&m->packet);
    fd_auto_close(&m->folder);
}

static must_check result receive(struct manage *m, struct ipc_message *ret_message)
{
    size_t length = 0;
    TRY(ipc_receive(m->socket, m->packet.data, &length, NULL));
    return ipc_open(ret_message, m->packet.data, length);
}

static must_check result add_keystore(struct manage *m, struct ipc_message *message)
{
    struct ipc_keystore keystore;
    TRY(ipc_take_keystore(&keystore, message));
    struct loader_job job = {.index = keystore.index, .kind = LOADER_JOB_KEYSTORE};
    memcpy(job.wanted_pubkey, keystore.pubkey, BLS_PUBKEY_LEN);
    TRY(secret_copy(&job.password, keystore.password.data, keystore.password.length));
    result r = buffer_append(&job.keystore, keystore.json.data, keystore.json.length);
    secret_wipe(m->packet.data, m->packet.length);
    if (r.code)
        secret_cleanup(&job.password);
    return r.code ? r : loader_pool_add(&m->pool, &job);
}

static must_check result receive_keystores(struct manage *m, struct ipc_message *message)
{
    uint32_t announced = 0;
    TRY(loader_pool_open(&m->pool, NULL, m->settings->jobs));
    while (message->type == IPC_KEYSTORE) {
        ENSURE(m->pool.num_jobs < IPC_MANAGE_MAX, E_TOO_LARGE, "more than %d keystores", IPC_MANAGE_MAX);
        TRY(add_keystore(m, message));
        TRY(receive(m, message));
    }
    ENSURE(message->type == IPC_LOAD_END, E_PEER, "message 0x%04x among the keystores", message->type);
    TRY(ipc_take_load_end(&announced, message));
    ENSURE(announced == m->pool.num_jobs, E_PEER, "%zu keystores came, %u were sent", m->pool.num_jobs,
           announced);
    return RESULT_OK;
}

/* A file that the loading of the folder would not read back is no import: first line, not blank. */
static must_check result check_password(const struct loader_job *job)
{
    const struct secret *password = &job->password;
    ENSURE(secret_line_length(password) == password->length &&
               !secret_is_blank(password->data, password->length),
           E_INPUT, "Failed to decrypt keystore: a password must be one line that is not blank");
    return RESULT_OK;
}

static must_check result prepare_files(struct manage *m, struct loader_job *job)
{
    TRY(check_password(job));
    return loader_folder_prepare(m->folder, job->key.pubkey, &job->keystore, &job->password);
}

static must_check result report_keys(struct manage *m)
{
    for (size_t i = 0; i < m->pool.num_jobs; i++) {
        struct loader_job *job = loader_pool_wait(&m->pool, i);
        result r = job->error ? RESULT_OK : prepare_files(m, job);
        if (r.code) {
            job->error = r.code;
            (void)snprintf(job->text, sizeof job->text, "%s", error_text());
        }
        TRY(loader_report_job(&m->report, job));
    }
    return loader_report_end(&m->report);
}

static must_check result tell_done(struct manage *m, uint32_t index, result done)
{
    uint8_t packet[IPC_HEADER_LEN + 5 + IPC_TEXT_MAX];
    char text[IPC_TEXT_MAX + 1] = "";
    if (done.code)
        (void)snprintf(text, sizeof text, "%s", error_text());
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_file_done(&p,
                       &(struct ipc_record_failed){.index = index,
                                                   .error = (enum error_code)done.code,
                                                   .text = {(const uint8_t *)text, (uint32_t)strlen(text)}});
    TRY(pack_end(&p));
    return ipc_send(m->socket, p.data, p.length, -1);
}

static must_check result do_files(struct manage *m, struct ipc_message *message,
                                  enum ipc_manage_action wanted)
{
    struct ipc_files files;
    TRY(ipc_take_files(&files, message));
    ENSURE(files.action == wanted, E_PEER, "files of an action that is not under way");
    for (uint32_t i = 0; i < files.num_items; i++) {
        struct cursor item = {.at = files.items + (size_t)i * IPC_FILE_LEN, .left = IPC_FILE_LEN};
        uint32_t index = 0;
        const uint8_t *pubkey = NULL;
        TRY(cursor_u32(&item, &index));
        TRY(cursor_view(&item, &pubkey, BLS_PUBKEY_LEN));
        result r = wanted == IPC_MANAGE_IMPORT
                       ? loader_folder_commit(m->folder, pubkey)
                       : loader_folder_remove(m->folder, m->settings->key_config_path, pubkey);
        TRY(tell_done(m, index, r));
    }
    return RESULT_OK;
}

static must_check result import(struct manage *m, struct ipc_message *message)
{
    TRY(receive_keystores(m, message));
    TRY(loader_report_open(&m->report, m->socket));
    m->report.tells_origins = true;
    TRY(report_keys(m));
    result r = receive(m, message);
    if (r.code == E_PEER)
        return RESULT_OK; /* nothing is to be kept */
    TRY(r);
    ENSURE(message->type == IPC_FILES, E_PEER, "message 0x%04x after the keys", message->type);
    return do_files(m, message, IPC_MANAGE_IMPORT);
}

result loader_run_manage(int socket, const struct loader_settings *settings)
{
    AUTO(manage) m = {.socket = socket, .folder = -1, .settings = settings};
    struct ipc_message message;
    TRY(secret_new(&m.packet, IPC_PACKET_MAX));
    TRY(loader_folder_open(&m.folder, settings->key_config_path));
    TRY(loader_folder_sweep(m.folder));
    TRY(receive(&m, &message));
    if (message.type == IPC_FILES)
        return do_files(&m, &message, IPC_MANAGE_DELETE);
    ENSURE(message.type == IPC_KEYSTORE, E_PEER, "message 0x%04x is no request", message.type);
    TRY(import(&m, &message));
    return loader_folder_sweep(m.folder); /* what did not become valid */
}
