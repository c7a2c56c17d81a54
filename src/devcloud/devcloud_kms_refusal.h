/* devcloud_kms_refusal.h - how the parts of the KMS say which AWS error a failed result is to become. */
#ifndef DEVCLOUD_KMS_REFUSAL_H
#define DEVCLOUD_KMS_REFUSAL_H

#include "base/result.h"

/* The AWS name of the failure that is being returned; set before a phase to what its failures mean. */
struct kms_refusal {
    const char *type;
};

/* Fails with an AWS error name and the sentence that becomes its message. */
#define KMS_ENSURE(condition, refusal, name, ...)                                                            \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            (refusal)->type = (name);                                                                        \
            return error_set(E_DENIED, __VA_ARGS__);                                                         \
        }                                                                                                    \
    } while (0)

#endif
