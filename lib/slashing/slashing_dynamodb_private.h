/* slashing_dynamodb_private.h - what the files of slashing_dynamodb share. */
#ifndef SLASHING_SLASHING_DYNAMODB_PRIVATE_H
#define SLASHING_SLASHING_DYNAMODB_PRIVATE_H

#include "aws/aws_client.h"
#include "slashing/slashing_dynamodb.h"
#include "slashing/slashing_store_operations.h"
#include "json/json.h"

enum {
    DYNAMODB_TABLE_MAX = 255,
    DYNAMODB_KEY_LEN = 98, /* 0x and 96 digits */
    DYNAMODB_ACCOUNT_LEN = 12,
    DYNAMODB_TABLE_ID_MAX = 63,
    DYNAMODB_TOKEN_LEN = 32,
    DYNAMODB_ANSWER_MAX = 4 * 1024 * 1024,
    DYNAMODB_VALUES_MAX = 150000
};

/* One record, as it was when the transaction read it and as it is to be. */
struct dynamodb_held {
    uint8_t pubkey[48];
    struct slashing_entry original, current;
};

struct dynamodb_transaction {
    bool open, has_records, has_head;
    struct dynamodb_held *held; /* ascending by key */
    size_t num_held, capacity;
    struct slashing_head original_head, head; /* has_head: to be set at the end */
};

struct slashing_dynamodb {
    struct slashing_store base;
    struct aws_client *client;
    struct aws_credentials credentials;
    char table[DYNAMODB_TABLE_MAX + 1];
    char region[64];
    char account[DYNAMODB_ACCOUNT_LEN + 1];   /* "": any */
    char table_id[DYNAMODB_TABLE_ID_MAX + 1]; /* what the service calls this very table; "": not seen yet */
    bool is_verified;                         /* the table that credentials lead to is in account */
    int deadline_ms;
    struct dynamodb_transaction transaction;
};

static inline struct slashing_dynamodb *dynamodb_of(struct slashing_store *store)
{
    return (struct slashing_dynamodb *)store; /* its first member */
}

/* slashing_dynamodb.c */

/* Makes the calls, until the store's deadline; the first failure as aws_client_call_many has it. */
must_check result slashing_dynamodb_call(struct slashing_dynamodb *store, struct aws_call *calls,
                                         size_t num_calls);
/* One call without a hook; replaces answer. */
must_check result slashing_dynamodb_ask(struct slashing_dynamodb *store, struct buffer *answer,
                                        const char *operation, const struct buffer *body);
/* The failure as E_STORE, with the table's name. */
must_check result slashing_dynamodb_failure(const struct slashing_dynamodb *store, result failed);

/* slashing_dynamodb_account.c */

/* Asks whose table it is that the credentials lead to. E_STORE: not that of store->account, or another than
 * before, or it could not be asked; E_NOT_FOUND: there is none. */
must_check result slashing_dynamodb_verify(struct slashing_dynamodb *store, uint64_t deadline_ns);

/* slashing_dynamodb_item.c: items as JSON, both ways. */

/* One value of an item; text holds "0x..." for pk. */
void slashing_dynamodb_key(char out[static DYNAMODB_KEY_LEN + 1], const uint8_t pubkey[static 48]);
/* E_INPUT unless it is the key of a validator. */
must_check result slashing_dynamodb_key_parse(uint8_t ret_pubkey[static 48], const struct json_view *item);
bool slashing_dynamodb_entry_equal(const struct slashing_entry *a, const struct slashing_entry *b);
/* Appends {"pk":...}: the whole item. */
must_check result slashing_dynamodb_entry_append(struct buffer *out, const uint8_t pubkey[static 48],
                                                 const struct slashing_entry *entry);
must_check result slashing_dynamodb_head_append(struct buffer *out, const struct slashing_head *head,
                                                const char *write_token);
/* Appends {"Statement":...}: the change of an item that still has the MAC of the old entry. */
must_check result slashing_dynamodb_statement_append(struct buffer *out, const char *table,
                                                     const struct slashing_advance *advance);
/* E_INPUT names the attribute that is missing, not ours, or not in its form. */
must_check result slashing_dynamodb_entry_parse(struct slashing_entry *ret_entry,
                                                const struct json_view *item);
must_check result slashing_dynamodb_head_parse(struct slashing_head *ret_head,
                                               char ret_write_token[static DYNAMODB_TOKEN_LEN + 1],
                                               const struct json_view *item);

/* slashing_dynamodb_read.c */
must_check result slashing_dynamodb_load_many(struct slashing_dynamodb *store,
                                              struct slashing_entry *ret_entries,
                                              const uint8_t (*pubkeys)[48], size_t num_pubkeys);
must_check result slashing_dynamodb_scan(struct slashing_dynamodb *store, slashing_visit *visit,
                                         void *context);

/* slashing_dynamodb_head.c */
must_check result slashing_dynamodb_head(struct slashing_dynamodb *store, struct slashing_head *ret_head);
must_check result slashing_dynamodb_set_head(struct slashing_dynamodb *store, const struct slashing_head *old,
                                             const struct slashing_head *next,
                                             const struct slashing_enrolment *enrolments,
                                             size_t num_enrolments);

/* slashing_dynamodb_write.c */
must_check result slashing_dynamodb_advance(struct slashing_dynamodb *store,
                                            struct slashing_advance *advances, size_t num_advances);

/* slashing_dynamodb_transaction.c: the operations while a transaction is open, and itself. */
must_check result slashing_dynamodb_transaction(struct slashing_dynamodb *store,
                                                result (*work)(void *context), void *context);
must_check result slashing_dynamodb_pending_load(struct slashing_dynamodb *store,
                                                 struct slashing_entry *ret_entries,
                                                 const uint8_t (*pubkeys)[48], size_t num_pubkeys);
must_check result slashing_dynamodb_pending_advance(struct slashing_dynamodb *store,
                                                    struct slashing_advance *advances, size_t num_advances);
must_check result slashing_dynamodb_pending_scan(struct slashing_dynamodb *store, slashing_visit *visit,
                                                 void *context);
must_check result slashing_dynamodb_pending_head(struct slashing_dynamodb *store,
                                                 struct slashing_head *ret_head);
must_check result slashing_dynamodb_pending_set_head(struct slashing_dynamodb *store,
                                                     const struct slashing_head *old,
                                                     const struct slashing_head *next);

#endif
