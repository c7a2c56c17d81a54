/* version.h - the release this tree is. CHANGELOG.md says what changed. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define NITRO_SIGNER_VERSION "0.1.0"

#endif
