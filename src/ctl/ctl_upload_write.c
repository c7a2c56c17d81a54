/* ctl_upload_write.c - keys upload: keys are opened, encrypted and written, a chunk at a time: the secrets of
 * one chunk are what the secure heap must hold, however many keys there are. What has been written is
 * written: the same command again goes on from there. */
#include <stdlib.h>
#include <string.h>

#include "aws/aws_kms.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "ctl_upload.h"

enum { KMS_DEADLINE_MS = 60000, NS_PER_MS = 1000000 };

struct chunk {
    struct ctl_upload *upload;
    struct ctl_upload_work works[CTL_UPLOAD_CHUNK];
    size_t num;
    struct aws_kms_encrypt encrypts[CTL_UPLOAD_CHUNK]; /* of the works that did not fail, in their order */
    struct ctl_upload_work *encrypted[CTL_UPLOAD_CHUNK];
    struct aws_dynamodb_write writes[CTL_UPLOAD_CHUNK];
    size_t num_encrypts;
};

static void chunk_cleanup(struct chunk *c)
{
    for (size_t i = 0; i < CTL_UPLOAD_CHUNK; i++) {
        ctl_upload_work_cleanup(&c->works[i]);
        buffer_cleanup(&c->encrypts[i].ciphertext);
        aws_dynamodb_write_cleanup(&c->writes[i]);
    }
}

void ctl_upload_written(struct ctl_upload *u, struct ctl_upload_key *key,
                        const struct aws_dynamodb_write *write)
{
    char text[CTL_PUBKEY_TEXT];
    hex_encode(text, key->pubkey, BLS_PUBKEY_LEN);
    if (!write->outcome.code && !write->refused) {
        key->fate = CTL_UPLOAD_WRITTEN;
        u->num_written++;
        u->num_moved += key->old != NULL;
        return;
    }
    key->fate = CTL_UPLOAD_FAILED;
    u->num_failed++;
    if (write->refused)
        log_error("0x%s: somebody else has written or moved its item meanwhile: it was left as it is", text);
}

static uint64_t kms_deadline(void)
{
    return clock_monotonic_ns() + (uint64_t)KMS_DEADLINE_MS * NS_PER_MS;
}

/* Those that cannot be opened are said, and cost no other. */
static must_check result open_chunk(struct chunk *c)
{
    struct ctl_upload *u = c->upload;
    TRY(ctl_upload_open(c->works, c->num, u->options->jobs));
    for (size_t i = 0; i < c->num; i++) {
        const struct ctl_upload_work *work = &c->works[i];
        char origin[CTL_UPLOAD_ORIGIN_MAX];
        if (!work->outcome.code) {
            TRY(ctl_key_reveal(&u->options->keys, &work->secret,
                               work->password.data ? &work->password : NULL));
            continue;
        }
        ctl_upload_origin(origin, u, work->key);
        log_error("%s: %s", origin, work->text);
        work->key->fate = CTL_UPLOAD_FAILED;
        u->num_failed++;
    }
    return RESULT_OK;
}

/* ---- keystores: an item a key ---- */

static must_check result encrypt_chunk(struct chunk *c)
{
    struct ctl_upload *u = c->upload;
    c->num_encrypts = 0;
    for (size_t i = 0; i < c->num; i++) {
        if (c->works[i].outcome.code)
            continue;
        c->encrypts[c->num_encrypts].plaintext = &c->works[i].plaintext;
        c->encrypted[c->num_encrypts++] = &c->works[i];
    }
    result r = aws_kms_encrypt_many(u->kms, c->encrypts, c->num_encrypts, &u->aws.credentials, u->key_arn,
                                    kms_deadline());
    return r.code ? error_prefix(r, "KMS Encrypt") : r;
}

static must_check result make_write(struct chunk *c, size_t number, const char *now)
{
    const struct ctl_upload *u = c->upload;
    const struct ctl_upload_work *work = c->encrypted[number];
    const struct buffer *ciphertext = &c->encrypts[number].ciphertext;
    char name[CTL_PUBKEY_TEXT];
    AUTO(buffer) text = {0};
    AUTO(buffer) deposit = {0};
    hex_encode(name, work->key->pubkey, BLS_PUBKEY_LEN);
    TRY(base64_append(&text, ciphertext->data, ciphertext->length));
    if (work->deposit.length)
        TRY(base64_append(&deposit, work->deposit.data, work->deposit.length));
    const struct ctl_new_item item = {.uuid = u->table.uuid,
                                      .name = name,
                                      .chain = u->maker.network.name,
                                      .datetime = now,
                                      .active = !ctl_upload_stays_inactive(work->key),
                                      .ciphertext = (const char *)text.data,
                                      .deposit = (const char *)deposit.data};
    if (work->key->old)
        return ctl_table_move(&c->writes[number], &u->table, &item, work->key->old);
    return ctl_table_put(&c->writes[number], &u->table, &item, work->key->taken);
}

static must_check result write_chunk(struct chunk *c)
{
    char now[21];
    ctl_now(now);
    TRY(encrypt_chunk(c));
    for (size_t i = 0; i < c->num_encrypts; i++)
        TRY(make_write(c, i, now));
    result r = ctl_table_write(&c->upload->table, c->writes, c->num_encrypts);
    for (size_t i = 0; i < c->num_encrypts; i++)
        ctl_upload_written(c->upload, c->encrypted[i]->key, &c->writes[i]);
    return r;
}

/* ---- sealed: an item for thousands ---- */

static must_check result make_batch_write(struct aws_dynamodb_write *ret_write, struct ctl_upload *u)
{
    const struct ctl_sealed *s = &u->sealed;
    char now[21], name[CTL_SEALED_NAME_TEXT] = "sealed-";
    AUTO(buffer) data_key = {0};
    AUTO(buffer) text = {0};
    struct aws_kms_encrypt encrypt = {.plaintext = &s->data_key};
    result r = aws_kms_encrypt_many(u->kms, &encrypt, 1, &u->aws.credentials, u->key_arn, kms_deadline());
    if (!r.code)
        r = base64_append(&data_key, encrypt.ciphertext.data, encrypt.ciphertext.length);
    buffer_cleanup(&encrypt.ciphertext);
    if (r.code)
        return error_prefix(r, "KMS Encrypt");
    TRY(base64_append(&text, s->blobs.data, s->blobs.length));
    ctl_now(now);
    memcpy(name + strlen(name), s->name, sizeof s->name);
    const struct ctl_new_item item = {.uuid = u->table.uuid,
                                      .name = name,
                                      .chain = u->maker.network.name,
                                      .datetime = now,
                                      .active = true,
                                      .data_key = (const char *)data_key.data,
                                      .sealed_keys = (const char *)text.data};
    return ctl_table_put(ret_write, &u->table, &item, NULL);
}

static must_check result end_batch(struct ctl_upload *u)
{
    AUTO(aws_dynamodb_write) write = {0};
    if (u->num_sealed == 0)
        return RESULT_OK;
    TRY(make_batch_write(&write, u));
    result r = ctl_table_write(&u->table, &write, 1);
    for (size_t i = 0; i < u->num_keys; i++)
        if (u->keys[i].fate == CTL_UPLOAD_SEALED)
            ctl_upload_written(u, &u->keys[i], &write);
    ctl_sealed_cleanup(&u->sealed);
    u->sealed = (struct ctl_sealed){.name = ""};
    u->num_sealed = 0;
    return r;
}

static must_check result seal_chunk(struct chunk *c)
{
    struct ctl_upload *u = c->upload;
    for (size_t i = 0; i < c->num; i++) {
        const struct ctl_upload_work *work = &c->works[i];
        if (work->outcome.code)
            continue;
        if (u->num_sealed == 0)
            TRY(ctl_sealed_begin(&u->sealed, u->table.uuid, u->options->keys.secrets_fd));
        TRY(ctl_sealed_add(&u->sealed, &work->secret, work->key->pubkey, NULL));
        work->key->fate = CTL_UPLOAD_SEALED;
        if (++u->num_sealed == CTL_SEALED_ITEM_KEYS)
            TRY(end_batch(u));
    }
    return RESULT_OK;
}

/* ---- all of them ---- */

static void fill_chunk(struct chunk *c, size_t *at)
{
    struct ctl_upload *u = c->upload;
    for (; *at < u->num_keys && c->num < CTL_UPLOAD_CHUNK; ++*at) {
        if (u->keys[*at].fate != CTL_UPLOAD_WANTED)
            continue;
        c->works[c->num++] = (struct ctl_upload_work){.upload = u, .key = &u->keys[*at]};
    }
}

result ctl_upload_write(struct ctl_upload *u)
{
    for (size_t at = 0; at < u->num_keys;) {
        AUTO(chunk) c = {.upload = u};
        fill_chunk(&c, &at);
        TRY(open_chunk(&c));
        TRY(u->options->is_sealed ? seal_chunk(&c) : write_chunk(&c));
        ctl_progress_tell(&u->progress, u->num_written + u->num_sealed);
    }
    return end_batch(u);
}
