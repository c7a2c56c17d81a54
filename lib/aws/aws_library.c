/* aws_library.c - libcurl's start, with an allocator that wipes and no way to log secrets.
 *
 * libcurl copies request bodies and headers into buffers of its own; the only way to have those wiped is to
 * be the one who frees them. */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_client.h"
#include "base/secret_allocators.h"

result aws_library_open(void)
{
    /* libcurl would write the session secrets of every TLS connection to the file this names. */
    (void)unsetenv("SSLKEYLOGFILE");
    CURLcode code = curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, secret_wiping_free,
                                         secret_wiping_realloc, strdup, calloc);
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    return RESULT_OK;
}
