/* aws_query.h - the older protocol of AWS: a form goes there, XML comes back. For a client whose protocol is
 * AWS_PROTOCOL_QUERY and whose read_error is aws_query_error_read. Target aws_management. */
#ifndef AWS_AWS_QUERY_H
#define AWS_AWS_QUERY_H

#include "aws/aws_client.h"
#include "aws/aws_xml.h"

#define AWS_QUERY_CONTENT_TYPE "application/x-www-form-urlencoded; charset=utf-8"
enum { AWS_QUERY_RESPONSE_MAX = AWS_XML_TEXT_MAX /* for aws_client_config.response_max */ };

/* Begins a form. */
must_check result aws_query_begin(struct buffer *form, const char *action, const char *version);
/* Appends one parameter, encoded. */
must_check result aws_query_add(struct buffer *form, const char *name, const char *value);

/* Sends the form; *ret_result is the element <ActionResult> of *ret_document. As aws_client_call; E_PEER for
 * an answer that is not of the expected form. */
must_check result aws_query_call(struct aws_client *client, struct aws_xml **ret_document,
                                 struct aws_xml_element *ret_result,
                                 const struct aws_credentials *credentials, const char *action,
                                 const struct buffer *form);

/* An aws_error_reader of <ErrorResponse><Error><Code/><Message/>. */
void aws_query_error_read(struct aws_error *out, long http_status, const uint8_t *body, size_t body_len);

#endif
