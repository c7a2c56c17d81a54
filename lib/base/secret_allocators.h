/* secret_allocators.h - what libraries that take an allocator are given, so that they neither leave a secret
 * in memory they have freed nor, where asked, keep one in memory that is not locked. */
#ifndef BASE_SECRET_ALLOCATORS_H
#define BASE_SECRET_ALLOCATORS_H

#include "base/result.h"

/* malloc and free over the secure heap. */
void *secret_malloc(size_t size);
void secret_free(void *block);

/* realloc and free of ordinary blocks: what is given back has been wiped. Of blocks over 1 MiB, which return
 * to the kernel (scrypt's table, which OpenSSL cleanses itself), nothing is wiped. */
void *secret_wiping_realloc(void *block, size_t size);
void secret_wiping_free(void *block);

/* OpenSSL's ordinary heap from now on wipes what it frees. Before any other call into OpenSSL: E_INTERNAL
 * when it has allocated already. */
must_check result secret_openssl_wipes(void);

#endif
