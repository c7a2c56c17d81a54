/* ctl_upload.h - what the files of keys upload share. In this order: the sources are listed, each key with
 * its public key; the table is read; what would be dangerous ends the run; then keys are opened, encrypted
 * and written, chunk after chunk; then the table is read again. */
#ifndef CTL_CTL_UPLOAD_H
#define CTL_CTL_UPLOAD_H

#include "ctl_key_maker.h"
#include "ctl_key_table.h"
#include "ctl_parallel.h"
#include "ctl_sealed.h"
#include "ctl_terminal.h"
#include "keystore/key_sources.h"

enum { CTL_UPLOAD_CHUNK = 32 /* keys whose secrets are in memory at once */ };

struct ctl_upload_options {
    struct ctl_aws_options aws;
    struct ctl_table_options table;
    struct ctl_key_options keys;
    const char *key_arn, *kms_via;
    const char *keystores, *passwords, *password_file, *items, *deposits;
    bool is_sealed, may_replace, may_move;
    uint32_t jobs;
};

enum ctl_upload_fate {
    CTL_UPLOAD_WANTED,
    CTL_UPLOAD_THERE,  /* in the table already */
    CTL_UPLOAD_SEALED, /* in a batch that is not written yet */
    CTL_UPLOAD_WRITTEN,
    CTL_UPLOAD_FAILED /* said when it failed */
};

struct ctl_upload_key {
    uint8_t pubkey[BLS_PUBKEY_LEN];
    enum ctl_upload_fate fate;
    size_t number;                      /* of the key file, the item file, or the index of a new key */
    size_t blob;                        /* of a batch's file: which of its sealed keys */
    const struct ctl_table_item *old;   /* the item of another web3signer_uuid that it takes the place of */
    const struct ctl_table_item *taken; /* the stack's own that it takes the place of */
};

/* As the item whose place it takes. */
static inline bool ctl_upload_stays_inactive(const struct ctl_upload_key *key)
{
    const struct ctl_table_item *before = key->old ? key->old : key->taken;
    return before && !before->active && !before->is_damaged;
}

/* A file of --items. */
struct ctl_item_file {
    char *path;
    json_t *document;
    struct json_view view;
    struct buffer blobs; /* of a batch */
    bool is_sealed;
};

struct ctl_upload {
    const struct ctl_upload_options *options;
    struct ctl_call *call;
    struct ctl_aws aws;
    struct ctl_table_client table;
    struct aws_client *kms;
    const char *key_arn;
    struct ctl_key_maker maker;
    struct key_sources sources;
    struct ctl_item_file *files;
    size_t num_files;
    struct ctl_upload_key *keys;
    size_t num_keys, capacity;
    struct ctl_table there;   /* the table before */
    struct ctl_sealed sealed; /* the batch that is being filled */
    size_t num_sealed;        /* keys in it */
    struct ctl_progress progress;
    size_t num_there, num_written, num_failed, num_moved, num_items;
};
void ctl_upload_cleanup(struct ctl_upload *upload);

/* Where a key came from, for messages: a file's name or an EIP-2334 path. */
enum { CTL_UPLOAD_ORIGIN_MAX = 300 };
void ctl_upload_origin(char out[static CTL_UPLOAD_ORIGIN_MAX], const struct ctl_upload *upload,
                       const struct ctl_upload_key *key);
/* Appends a key to be uploaded. */
must_check result ctl_upload_add(struct ctl_upload *upload, const struct ctl_upload_key *key);

/* ctl_upload_plan.c: lists all keys of the source. Nothing has been written when it fails. */
must_check result ctl_upload_list(struct ctl_upload *upload);
/* ctl_upload_check.c: reads the table, and decides each key's fate. E_STATE when a key is there twice, or is
 * under another web3signer_uuid and may not be moved. */
must_check result ctl_upload_check(struct ctl_upload *upload);
/* Reads it again: E_STATE when another tool has written one of the keys meanwhile. */
must_check result ctl_upload_check_again(struct ctl_upload *upload);

/* ctl_upload_items.c: --items, listed, and written. */
must_check result ctl_upload_items_list(struct ctl_upload *upload);
must_check result ctl_upload_items_write(struct ctl_upload *upload);
void ctl_item_files_cleanup(struct ctl_upload *upload);

/* A key that has been made or opened, and what KMS is to encrypt. */
struct ctl_upload_work {
    const struct ctl_upload *upload;
    struct ctl_upload_key *key;
    struct secret secret, password, plaintext; /* sealed keys: secret alone */
    struct buffer deposit;
    result outcome;
    char text[256];
};
void ctl_upload_work_cleanup(struct ctl_upload_work *work);

/* ctl_upload_open.c: makes or opens num keys, on several threads; each has its outcome. */
must_check result ctl_upload_open(struct ctl_upload_work *works, size_t num, size_t threads);
/* A keystore file's public key: it says it, or is opened for it. */
must_check result ctl_upload_pubkey(uint8_t ret_pubkey[static BLS_PUBKEY_LEN],
                                    const struct key_source *source);

/* ctl_upload_write.c: opens, encrypts and writes all that is wanted. */
must_check result ctl_upload_write(struct ctl_upload *upload);
/* Counts a key as written, or says why it was not. */
void ctl_upload_written(struct ctl_upload *upload, struct ctl_upload_key *key,
                        const struct aws_dynamodb_write *write);

#endif
