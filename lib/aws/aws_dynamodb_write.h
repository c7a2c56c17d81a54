/* aws_dynamodb_write.h - writes to a DynamoDB table, each on a condition, many under way at once. Target
 * aws_dynamodb_write.
 *
 * What had no answer is asked again, so a condition may fail because our own write was carried out: the item
 * is then read, and if it has our proof, an attribute that nobody else would have written the same (a
 * ciphertext), it counts as written.
 */
#ifndef AWS_AWS_DYNAMODB_WRITE_H
#define AWS_AWS_DYNAMODB_WRITE_H

#include "aws/aws_dynamodb_item.h"

enum { AWS_DYNAMODB_WRITES_MAX = 256 /* at once */, AWS_DYNAMODB_TOKEN_LEN = 36 };

/* One write, made by the functions below. */
struct aws_dynamodb_write {
    const char *operation;
    struct buffer body;     /* the request */
    struct buffer key;      /* {"name":{"S":"text"},...}: the item that is read when the condition fails */
    const char *proof_name; /* an attribute of type S, borrowed; NULL: a condition that fails is final */
    struct buffer proof;    /* its text */
    /* Out. */
    bool refused;   /* the condition does not hold, and it was not us: outcome is then RESULT_OK */
    result outcome; /* of this write */
    char text[256]; /* the sentence of a failed outcome */
};
void aws_dynamodb_write_cleanup(struct aws_dynamodb_write *write);

/* Appends {"name":{"type":text},...}; type BOOL takes true or false. */
must_check result aws_dynamodb_append_item(struct buffer *out,
                                           const struct aws_dynamodb_attribute *attributes,
                                           size_t num_attributes);

/* What an item was seen to have: an attribute of type BOOL with that value, or none of that type. */
struct aws_dynamodb_seen {
    const char *truth_name;
    bool has_truth, truth;
};

/* An item; the first two attributes are its key, the proof is one of the others. In the place of one that
 * still has what was seen of it; seen NULL: only where there is none of that key. */
must_check result aws_dynamodb_write_put(struct aws_dynamodb_write *ret_write, const char *table,
                                         const struct aws_dynamodb_attribute *attributes,
                                         size_t num_attributes, const char *proof_name,
                                         const struct aws_dynamodb_seen *seen);

/* A new item, and in the same transaction another one of that table goes, which still has what was seen of
 * it: its key has two attributes. */
must_check result aws_dynamodb_write_move(struct aws_dynamodb_write *ret_write, const char *table,
                                          const struct aws_dynamodb_attribute *attributes,
                                          size_t num_attributes, const char *proof_name,
                                          const struct aws_dynamodb_attribute *old_key,
                                          const struct aws_dynamodb_seen *seen);

/* Sets an attribute of type BOOL of an item that is there. */
must_check result aws_dynamodb_write_truth(struct aws_dynamodb_write *ret_write, const char *table,
                                           const struct aws_dynamodb_attribute *key, const char *name,
                                           bool truth);

/* Takes away an item whose attribute of type BOOL has that value; one that is gone already counts as well. */
must_check result aws_dynamodb_write_delete(struct aws_dynamodb_write *ret_write, const char *table,
                                            const struct aws_dynamodb_attribute *key, const char *name,
                                            bool truth);

/* Makes all writes, as many at once as the client has connections, until deadline_ns; each then has its
 * outcome. The client's attempts must be 0: what had no answer is repeated until then. RESULT_OK when each
 * was written or refused, otherwise the first failure. */
must_check result aws_dynamodb_write_all(struct aws_client *client, struct aws_dynamodb_write *writes,
                                         size_t num_writes, const char *table,
                                         const struct aws_credentials *credentials, uint64_t deadline_ns);

#endif
