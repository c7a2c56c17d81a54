/* aws_answers.h - AWS as an input has it: takes the place of the calls that go to a service (linked with WRAP
 * aws_client_call aws_client_call_many). Parts of the input, each behind 0xff, are the answers one after the
 * other; behind the last one there is no connection any more. */
#ifndef AWS_ANSWERS_H
#define AWS_ANSWERS_H

#include "aws/aws_client.h"

/* The first character of a part says the HTTP status: '4' 400, '5' 500, '6' 200 of a function that failed,
 * otherwise 200 and it belongs to the answer. */
void aws_answers_begin(const uint8_t *data, size_t size, aws_error_reader read_error);

/* Something for calls to be signed with; borrowed. */
const struct aws_credentials *aws_answers_credentials(void);

#endif
