/* devcloud_kms_tls.h - a certificate authority, kept, and a server certificate, made anew at each start. */
#ifndef DEVCLOUD_KMS_TLS_H
#define DEVCLOUD_KMS_TLS_H

#include <openssl/ssl.h>

#include "base/result.h"

/* A TLS server for kms.REGION.amazonaws.com, localhost and 127.0.0.1; its authority is in
 * state_dir: kms-ca.pem and kms-ca-key.pem (0600), made when they are missing or expired. Free with
 * SSL_CTX_free. */
must_check result devcloud_kms_tls_new(SSL_CTX **ret_context, const char *region, const char *state_dir);

#endif
