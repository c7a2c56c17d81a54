/* aws_library.c - libcurl's start, with an allocator that wipes and no way to log secrets.
 *
 * libcurl copies request bodies and headers into buffers of its own; the only way to have those wiped is to
 * be the one who frees them. Sizes come from malloc_usable_size, which glibc keeps anyway. */
#include <curl/curl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_client.h"

static void wiping_free(void *block)
{
    if (block)
        secret_wipe(block, malloc_usable_size(block));
    free(block);
}

/* realloc would leave the old copy behind. */
static void *wiping_realloc(void *block, size_t size)
{
    if (!block)
        return malloc(size);
    size_t old_size = malloc_usable_size(block);
    void *moved = malloc(size);
    if (!moved)
        return NULL;
    memcpy(moved, block, old_size < size ? old_size : size);
    wiping_free(block);
    return moved;
}

result aws_library_open(void)
{
    /* libcurl would write the session secrets of every TLS connection to the file this names. */
    (void)unsetenv("SSLKEYLOGFILE");
    CURLcode code =
        curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiping_free, wiping_realloc, strdup, calloc);
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    return RESULT_OK;
}
