/* scripted_dynamodb.h - a service below the DynamoDB store that answers as it is told to: stands in the place
 * of aws_client_call_many, which a test has to wrap. */
#ifndef SCRIPTED_DYNAMODB_H
#define SCRIPTED_DYNAMODB_H

#include "store_testing.h"

#include "slashing/slashing_dynamodb_private.h"

#define ACCOUNT "123456789012"
#define TABLE "table"
#define DESCRIPTION                                                                                          \
    "{\"Table\":{\"TableName\":\"" TABLE "\",\"TableArn\":\"arn:aws:dynamodb:eu-west-1:" ACCOUNT             \
    ":table/" TABLE "\","                                                                                    \
    "\"TableId\":\"id-1\",\"TableStatus\":\"ACTIVE\",\"KeySchema\":[{\"AttributeName\":\"pk\",\"KeyType\":"  \
    "\"HASH\"}],"                                                                                            \
    "\"AttributeDefinitions\":[{\"AttributeName\":\"other\",\"AttributeType\":\"N\"},{\"AttributeName\":"    \
    "\"pk\",\"AttributeType\":\"S\"}]}}"

enum { ANSWERS_MAX = 16 };

struct answer {
    const char *operation;
    const char *text;
    int times;         /* this one, before the next; 0: 1 */
    long status;       /* 0: 200 */
    const char *error; /* its type */
    enum error_code code;
};

/* What is answered to operations of that name, in turn; the last one again and again. TOKEN becomes the token
 * of the latest transaction. */
void serve(const struct answer *with, size_t num);
/* What goes well. */
void serve_all(void);
extern char token[DYNAMODB_TOKEN_LEN + 1];
/* The deadline of the latest calls. */
extern uint64_t asked_until_ns;

extern uint8_t keys[3][48];
extern struct slashing_entry entries[3]; /* 0: as it was enrolled; 1: another's; 2: unknown */
extern struct slashing_head head;
extern struct buffer items[3], get_head, two_items, first_page, last_page, held_item;
/* First of all; then memory for secrets and the library are there, too. */
void write_answers(void);
void release_answers(void);

/* With credentials; account may be NULL. */
struct slashing_store *open_store(const char *account);
/* Of the first two keys: one fits, the other is a conflict. */
void prepare_advances(struct slashing_advance advances[static 2]);
result count(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry);

#endif
