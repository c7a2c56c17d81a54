/* loader_memory.c - secrets of this process pass through three allocators.
 *
 * Our own and jansson's are the secure heap: a parsed record, keystore and password included,
 * never leaves locked memory. OpenSSL keeps short-lived copies on its ordinary heap (PKCS#12
 * bags, HMAC keys, bignums); those are wiped when they are freed. */
#include "loader_memory.h"

#include <jansson.h>

#include "base/secret.h"
#include "base/secret_allocators.h"

/* A raw key of a list takes 64 bytes until the load ends: 8 MiB, the usual RLIMIT_MEMLOCK, do for 100,000. */
enum { HEAP_LEAST = 4 << 20, HEAP_MOST = 16 << 20 };

result loader_memory_open(void)
{
    TRY(secret_openssl_wipes());
    TRY(secret_heap_open_up_to(HEAP_LEAST, HEAP_MOST));
    json_set_alloc_funcs(secret_malloc, secret_free);
    json_object_seed(0); /* now, while /dev/urandom may still be opened */
    return RESULT_OK;
}
