/* devcloud_measure.c - see devcloud_measure.h. The files are the executables that would be in
 * the image, so that a changed byte in any of them is another enclave. */
#include "devcloud_measure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file_io.h"
#include "devcloud_pcrs.h"
#include <openssl/evp.h>

DEFINE_AUTO_POINTER(EVP_MD_CTX, EVP_MD_CTX_free)

enum { CHUNK_LEN = 65536, PATH_LEN = 4096 };

static must_check result add_file(EVP_MD_CTX *digest, const char *path)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    ENSURE(fd >= 0, E_IO, "%s: %s", path, strerror(errno));
    static uint8_t chunk[CHUNK_LEN];
    size_t count;
    do {
        TRY(file_read_up_to(fd, chunk, &count, sizeof chunk));
        ENSURE(EVP_DigestUpdate(digest, chunk, count) == 1, E_CRYPTO, "SHA-384 failed");
    } while (count == sizeof chunk);
    return RESULT_OK;
}

result devcloud_measure(uint8_t ret_pcr0[static NSM_PCR_LEN], const char *files)
{
    AUTO_POINTER(EVP_MD_CTX) digest = EVP_MD_CTX_new();
    ENSURE(digest && EVP_DigestInit_ex2(digest, EVP_sha384(), NULL) == 1, E_CRYPTO, "SHA-384 failed");
    for (const char *at = files;; at++) {
        char path[PATH_LEN];
        size_t length = strcspn(at, ",");
        ENSURE(length >= 1 && length < sizeof path, E_INPUT,
               "measure: must be file names with commas between them");
        (void)snprintf(path, sizeof path, "%.*s", (int)length, at);
        TRY(add_file(digest, path));
        at += length;
        if (*at == 0)
            break;
    }
    uint8_t image[NSM_PCR_LEN];
    uint8_t pcr[NSM_PCR_LEN] = {0};
    ENSURE(EVP_DigestFinal_ex(digest, image, NULL) == 1, E_CRYPTO, "SHA-384 failed");
    TRY(devcloud_pcr_extend(pcr, image, sizeof image));
    memcpy(ret_pcr0, pcr, sizeof pcr);
    return RESULT_OK;
}
