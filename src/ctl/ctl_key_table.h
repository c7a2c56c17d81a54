/* ctl_key_table.h - what the validator-key table holds, all of it or one stack's, with the public keys of
 * sealed batches; and an item as the verbs of keys write it (PROTOCOL.control section 10). */
#ifndef CTL_CTL_KEY_TABLE_H
#define CTL_CTL_KEY_TABLE_H

#include "aws/aws_dynamodb_write.h"
#include "bls/bls.h"
#include "ctl_aws.h"

#define CTL_UNASSIGNED "none" /* web3signer_uuid of keys of nobody */

enum {
    CTL_PUBKEY_TEXT = 2 * BLS_PUBKEY_LEN + 1,
    CTL_SEALED_NAME_TEXT = CTL_PUBKEY_TEXT + 7, /* sealed- in front */
    /* An item has at most 400 KB: so many of 144 characters, and the rest of the item. */
    CTL_SEALED_ITEM_KEYS = 2700
};

/* An item that is there. Texts are "" where the item has none. */
struct ctl_table_item {
    char *uuid, *name, *chain, *datetime; /* name: the sort key */
    bool active, is_sealed, is_damaged;   /* damaged: neither a key nor a batch, or without active */
    size_t num_keys;
};

/* A public key, and the number of the item that has it. */
struct ctl_table_key {
    uint8_t pubkey[BLS_PUBKEY_LEN];
    size_t item;
};

struct ctl_table {
    struct ctl_table_item *items;
    size_t num_items, items_capacity;
    struct ctl_table_key *keys; /* sorted */
    size_t num_keys, keys_capacity;
};
void ctl_table_cleanup(struct ctl_table *table);

/* The table and its service, as every verb of keys opens them. */
struct ctl_table_options {
    const char *table, *uuid, *via;
};
#define CTL_TABLE_ROWS(o)                                                                                    \
    {"table", OPTION_TEXT, &(o).table, "name of the validator-key table (the stack's)", 0, 0},               \
        {"uuid", OPTION_TEXT, &(o).uuid, "web3signer_uuid: none is for keys of nobody (the stack's)", 0, 0}, \
    {                                                                                                        \
        "dynamodb-via", OPTION_TEXT, &(o).via, "address to connect to instead of DynamoDB's (none)", 0, 0    \
    }

struct ctl_table_client {
    struct ctl_aws *aws;       /* borrowed */
    struct aws_client *client; /* for writes, which are repeated until their deadline */
    struct aws_client *reader; /* whose attempts are few: it is the first to find that nobody is there */
    const char *table;
    const char *uuid; /* NULL: neither --uuid nor --stack was given */
};
void ctl_table_client_cleanup(struct ctl_table_client *client);

/* Table and web3signer_uuid of the options, else of the stack. */
must_check result ctl_table_open(struct ctl_table_client *ret_client, struct ctl_aws *aws,
                                 struct ctl_call *call, const struct ctl_table_options *options);

/* Reads one partition, or all of the table (uuid NULL), consistently, with all pages. */
must_check result ctl_table_read(struct ctl_table *ret_table, const struct ctl_table_client *client,
                                 const char *uuid);

/* The next key of that value after previous (NULL: the first); NULL: no more. A key may be in several items.
 */
const struct ctl_table_key *ctl_table_find(const struct ctl_table *table,
                                           const uint8_t pubkey[static BLS_PUBKEY_LEN],
                                           const struct ctl_table_key *previous);

/* An item to be written: a key, or a batch of sealed keys. Texts are borrowed; those that are NULL are left
 * out. */
struct ctl_new_item {
    const char *uuid, *name, *chain, *datetime;
    bool active;
    const char *ciphertext, *deposit;   /* of a key, base64 */
    const char *data_key, *sealed_keys; /* of a batch, base64 */
};
/* Where there is none, or in the place of old, whose active must be as it was. */
must_check result ctl_table_put(struct aws_dynamodb_write *ret_write, const struct ctl_table_client *client,
                                const struct ctl_new_item *item, const struct ctl_table_item *old);
/* In the place of a key's item under another web3signer_uuid, which goes in the same transaction. */
must_check result ctl_table_move(struct aws_dynamodb_write *ret_write, const struct ctl_table_client *client,
                                 const struct ctl_new_item *item, const struct ctl_table_item *old);

/* When a call or a chunk of writes that begins now is given up. */
uint64_t ctl_table_deadline(void);

/* Makes the writes, at most AWS_DYNAMODB_WRITES_MAX, as aws_dynamodb_write_all. */
must_check result ctl_table_write(const struct ctl_table_client *client, struct aws_dynamodb_write *writes,
                                  size_t num_writes);

#endif
