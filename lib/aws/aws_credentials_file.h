/* aws_credentials_file.h - credentials from a JSON file, or from AWS's own. Target aws_credentials_file. */
#ifndef AWS_AWS_CREDENTIALS_FILE_H
#define AWS_AWS_CREDENTIALS_FILE_H

#include "aws/aws_credentials.h"

enum { AWS_REGION_MAX = 63 };

/* The file holds {"access_key_id", "secret_access_key", "token"}, the token optional, as the control protocol
 * has them. E_INPUT names file and member. jansson must have the secure heap as its allocator. */
must_check result aws_credentials_read(struct aws_credentials *ret_credentials, const char *path);

/* Those of a profile of AWS's shared credentials file (~/.aws/credentials). E_NOT_FOUND when there is no such
 * file or profile, or it has none of its own. */
must_check result aws_profile_read(struct aws_credentials *ret_credentials, const char *path,
                                   const char *profile);

/* The region under [section] of AWS's shared configuration file (~/.aws/config, where the section of a
 * profile is called "profile NAME", but for "default") or of the file of credentials. E_NOT_FOUND, as above.
 */
must_check result aws_profile_region(char out[static AWS_REGION_MAX + 1], const char *path,
                                     const char *section);

#endif
