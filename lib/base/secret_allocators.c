/* secret_allocators.c - copies that libraries make of secrets, wiped when they are freed.
 *
 * OpenSSL cleanses most of its scratch memory, but not all: encoding a private key leaves the whole
 * of it in a freed block. Rejected: M_PERTURB, whose fill glibc leaves out for blocks that go to a
 * thread's cache; and a free(3) of our own for the whole process, which sanitizers bring too. */
#include "base/secret_allocators.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum { WIPED_MAX = 1 << 20 };

void *secret_malloc(size_t size)
{
    return OPENSSL_secure_malloc(size);
}

void secret_free(void *block)
{
    OPENSSL_secure_free(block); /* wipes: the secure heap always does */
}

void secret_wiping_free(void *block)
{
    if (!block)
        return;
    size_t size = malloc_usable_size(block);
    if (size <= WIPED_MAX)
        explicit_bzero(block, size);
    free(block);
}

/* Never in place by realloc(3), which would release the old block unwiped. */
void *secret_wiping_realloc(void *block, size_t size)
{
    if (!block)
        return malloc(size);
    size_t old_size = malloc_usable_size(block);
    void *moved = malloc(size);
    if (!moved)
        return NULL;
    memcpy(moved, block, old_size < size ? old_size : size);
    secret_wiping_free(block);
    return moved;
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return malloc(size);
}

static void *openssl_realloc(void *block, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    if (size)
        return secret_wiping_realloc(block, size);
    secret_wiping_free(block);
    return NULL;
}

static void openssl_free(void *block, const char *file, int line)
{
    (void)file, (void)line;
    secret_wiping_free(block);
}

result secret_openssl_wipes(void)
{
    ENSURE(CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) == 1, E_INTERNAL,
           "OpenSSL has allocated already");
    return RESULT_OK;
}
