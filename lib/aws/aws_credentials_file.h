/* aws_credentials_file.h - credentials from a JSON file. Target aws_credentials_file. */
#ifndef AWS_AWS_CREDENTIALS_FILE_H
#define AWS_AWS_CREDENTIALS_FILE_H

#include "aws/aws_credentials.h"

/* The file holds {"access_key_id", "secret_access_key", "token"}, the token optional, as the control protocol
 * has them. E_INPUT names file and member. jansson must have the secure heap as its allocator. */
must_check result aws_credentials_read(struct aws_credentials *ret_credentials, const char *path);

#endif
