/* aws_kms_private.h - what the calls to KMS share; inside this room. */
#ifndef AWS_AWS_KMS_PRIVATE_H
#define AWS_AWS_KMS_PRIVATE_H

#include "base/result.h"

/* Of the characters that an ARN has, so that it needs no escaping. E_INPUT. */
must_check result aws_kms_check_key_id(const char *key_id);

#endif
