/* ctl_measure.c - measure: PCR0 = SHA-384(48 zero bytes || SHA-384(all files, one behind the other)).
 *
 * The same formula as an image's, applied to the executables themselves: in local mode they
 * are the image. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "ctl_report.h"

enum { DIGEST_LEN = 48, CHUNK_LEN = 65536 };

DEFINE_AUTO_POINTER(EVP_MD_CTX, EVP_MD_CTX_free)

static must_check result add_file(EVP_MD_CTX *context, const char *path)
{
    uint8_t chunk[CHUNK_LEN];
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    ENSURE(fd >= 0, E_NOT_FOUND, "%s: cannot be opened", path);
    size_t length = sizeof chunk;
    while (length == sizeof chunk) {
        TRY(file_read_up_to(fd, chunk, &length, sizeof chunk));
        ENSURE(EVP_DigestUpdate(context, chunk, length) == 1, E_CRYPTO, "SHA-384 failed");
    }
    return RESULT_OK;
}

result ctl_measure(struct ctl_call *call)
{
    char *const *files;
    TRY(ctl_parse(call, NULL, 0, &files));
    AUTO_POINTER(EVP_MD_CTX) context = EVP_MD_CTX_new();
    ENSURE(context && EVP_DigestInit_ex(context, EVP_sha384(), NULL) == 1, E_CRYPTO, "SHA-384 failed");
    for (size_t i = 0; files[i]; i++)
        TRY(add_file(context, files[i]));

    uint8_t extended[2 * DIGEST_LEN] = {0};
    uint8_t pcr[DIGEST_LEN];
    unsigned length = DIGEST_LEN;
    char digits[2 * DIGEST_LEN + 1];
    ENSURE(EVP_DigestFinal_ex(context, extended + DIGEST_LEN, &length) == 1, E_CRYPTO, "SHA-384 failed");
    ENSURE(EVP_Digest(extended, sizeof extended, pcr, &length, EVP_sha384(), NULL) == 1, E_CRYPTO,
           "SHA-384 failed");
    hex_encode(digits, pcr, sizeof pcr);
    return ctl_print_digest(call, "pcr0", digits);
}
