/* courier_kms.h - Decrypt calls in a thread of their own, one at a time, so that the control port answers
 * while KMS is slow. The owner's loop waits on a descriptor for the outcome. All functions are for the
 * owner's thread. */
#ifndef COURIER_KMS_H
#define COURIER_KMS_H

#include "aws/aws_kms.h"

struct courier_kms;

/* Nothing is owned; all of it outlives the thread. */
struct courier_kms_settings {
    struct net_address via;
    const char *endpoint; /* NULL: https://kms.REGION.amazonaws.com */
    struct buffer ca_pem;
};

struct courier_kms_outcome {
    int code;       /* enum error_code; E_NONE: envelope is filled in */
    char text[256]; /* why not */
    struct buffer envelope;
};

must_check result courier_kms_start(struct courier_kms **ret_kms,
                                    const struct courier_kms_settings *settings);
/* Ends the thread, waiting at most until the call under way is over. */
void courier_kms_stop(struct courier_kms *kms);

/* From now on Decrypt calls go to this region and accept answers of this key only. Not while busy. */
must_check result courier_kms_configure(struct courier_kms *kms, const char *region, const char *key_arn);
bool courier_kms_busy(const struct courier_kms *kms);
/* Begins one call with copies of all arguments. Not while busy. */
must_check result courier_kms_submit(struct courier_kms *kms, const struct aws_credentials *credentials,
                                     const uint8_t *ciphertext, size_t ciphertext_len,
                                     const struct buffer *document);
/* Readable when an outcome waits. */
int courier_kms_descriptor(const struct courier_kms *kms);
/* Takes the outcome; E_STATE if there is none. The caller cleans up envelope. */
must_check result courier_kms_take(struct courier_kms *kms, struct courier_kms_outcome *ret_outcome);

#endif
