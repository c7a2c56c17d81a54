/* loader_memory.c - secrets of this process pass through three allocators.
 *
 * Our own and jansson's are the secure heap: a parsed record, keystore and password included,
 * never leaves locked memory. OpenSSL keeps short-lived copies on its ordinary heap (PKCS#12
 * bags, HMAC keys, bignums); it cleanses most of them, and the allocator given to it here wipes
 * the rest when they are freed. Rejected: M_PERTURB, whose fill glibc leaves out for blocks that
 * go to a thread's cache. */
#include "loader_memory.h"

#include <jansson.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

enum {
    HEAP_SIZE = 4 << 20, /* half of the usual RLIMIT_MEMLOCK; 16,384 keys take 1 MiB of it */
    WIPED_MAX = 1 << 20  /* larger is only scrypt's memory, which OpenSSL cleanses itself */
};

static void *plain_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return malloc(size);
}

static void wiping_free(void *block, const char *file, int line)
{
    (void)file, (void)line;
    if (!block)
        return;
    size_t size = malloc_usable_size(block);
    if (size <= WIPED_MAX)
        explicit_bzero(block, size);
    free(block);
}

/* Never in place by realloc(3), which would release the old block unwiped. */
static void *wiping_realloc(void *block, size_t size, const char *file, int line)
{
    if (!block)
        return malloc(size);
    size_t old_size = malloc_usable_size(block);
    if (size == 0) {
        wiping_free(block, file, line);
        return NULL;
    }
    void *moved = malloc(size);
    if (!moved)
        return NULL;
    memcpy(moved, block, old_size < size ? old_size : size);
    wiping_free(block, file, line);
    return moved;
}

static void *secure_malloc(size_t size)
{
    return OPENSSL_secure_malloc(size);
}

static void secure_free(void *block)
{
    OPENSSL_secure_free(block); /* wipes: the secure heap always does */
}

result loader_memory_open(void)
{
    ENSURE(CRYPTO_set_mem_functions(plain_malloc, wiping_realloc, wiping_free) == 1, E_INTERNAL,
           "OpenSSL has allocated already");
    TRY(secret_heap_open(HEAP_SIZE));
    json_set_alloc_funcs(secure_malloc, secure_free);
    json_object_seed(0); /* now, while /dev/urandom may still be opened */
    return RESULT_OK;
}
