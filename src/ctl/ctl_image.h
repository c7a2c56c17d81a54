/* ctl_image.h - what the verbs of image share. */
#ifndef CTL_CTL_IMAGE_H
#define CTL_CTL_IMAGE_H

#include <openssl/x509.h>

#include "nitro/nitro_eif.h"
#include "json/json.h"

DEFINE_AUTO_POINTER(X509, X509_free)

/* nitro-cli's object of measurements; certificate NULL: not signed, and no PCR8. The caller owns it. */
must_check result ctl_image_measurements(json_t **ret_object, const struct nitro_eif_measurements *measured,
                                         X509 *certificate);

/* Appends the archive that a manifest describes. path is the manifest's; sources: where the files are that it
 * names, NULL for its own folder. */
must_check result ctl_image_pack(struct buffer *out, const struct buffer *manifest, const char *path,
                                 const char *sources);

/* Prints, indented as nitro-cli does. */
must_check result ctl_image_print(const json_t *object);

#endif
