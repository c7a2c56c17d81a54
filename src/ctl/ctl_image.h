/* ctl_image.h - what image build and image describe share. */
#ifndef CTL_CTL_IMAGE_H
#define CTL_CTL_IMAGE_H

#include <openssl/x509.h>

#include "nitro/nitro_eif.h"
#include "json/json.h"

DEFINE_AUTO_POINTER(X509, X509_free)

/* nitro-cli's object of measurements; certificate NULL: not signed, and no PCR8. The caller owns it. */
must_check result ctl_image_measurements(json_t **ret_object, const struct nitro_eif_measurements *measured,
                                         X509 *certificate);

/* Prints, indented as nitro-cli does. */
must_check result ctl_image_print(const json_t *object);

#endif
