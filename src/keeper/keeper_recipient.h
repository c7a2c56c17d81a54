/* keeper_recipient.h - the RSA key that KMS encrypts for, made from the start on. */
#ifndef KEEPER_RECIPIENT_H
#define KEEPER_RECIPIENT_H

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/result.h"

enum { KEEPER_RECIPIENT_THREADS = 2 };

/* Threads hold its address: it stays where it is. */
struct keeper_recipient {
    pthread_t threads[KEEPER_RECIPIENT_THREADS];
    size_t num_threads; /* that were not joined */
    atomic_bool is_made;
};

must_check result keeper_recipient_begin(struct keeper_recipient *recipient);
/* Waits for the key; NULL when none could be made, or none is being made. No thread is left. */
EVP_PKEY *keeper_recipient_take(struct keeper_recipient *recipient);
/* Does not wait for a key that is not made yet. */
void keeper_recipient_cleanup(struct keeper_recipient *recipient);

#endif
