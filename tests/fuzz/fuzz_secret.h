/* fuzz_secret.h - the secure heap, for targets whose readers need it. */
#ifndef FUZZ_SECRET_H
#define FUZZ_SECRET_H

#include <openssl/rand.h>

#include "base/secret.h"
#include "fuzz.h"

/* Once, whatever the number of calls. OpenSSL's generator is begun before: what it would put into the secure
 * heap has pointers to ordinary memory, which the leak detector does not see there. */
static inline void fuzz_open_secret_heap(void)
{
    enum { HEAP_LEN = 1 << 20 };
    static bool is_open;
    uint8_t random[8];
    if (is_open)
        return;
    PROMISE(RAND_bytes(random, sizeof random) == 1 && RAND_priv_bytes(random, sizeof random) == 1);
    PROMISE(secret_heap_open(HEAP_LEN).code == 0);
    is_open = true;
}

#endif
