/* devcloud_kms_tls.h - a certificate authority and a server certificate, made anew at each start. */
#ifndef DEVCLOUD_KMS_TLS_H
#define DEVCLOUD_KMS_TLS_H

#include <openssl/ssl.h>

#include "base/result.h"

/* A TLS server for kms.REGION.amazonaws.com, localhost and 127.0.0.1; its authority is written to ca_path as
 * PEM. The authority's key is forgotten at once. Free with SSL_CTX_free. */
must_check result devcloud_kms_tls_new(SSL_CTX **ret_context, const char *region, const char *ca_path);

#endif
