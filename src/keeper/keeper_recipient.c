/* keeper_recipient.c - see keeper_recipient.h.
 *
 * How long it takes to find two primes is luck: 50 ms or 500. So every processor, up to two, makes a key; the
 * first one that is complete counts, and the other attempt is broken off. Meanwhile an enclave only waits for
 * its host. These threads have ended before there is a policy, and so before there is any key but this.
 * Rejected: to make the two primes of one key in two threads and put them together by hand, which is
 * OpenSSL's business. */
#include "keeper_recipient.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>
#include <unistd.h>

enum { BITS = 2048 };

DEFINE_AUTO_POINTER(EVP_PKEY_CTX, EVP_PKEY_CTX_free)

static int goes_on(EVP_PKEY_CTX *context)
{
    const struct keeper_recipient *recipient = EVP_PKEY_CTX_get_app_data(context);
    return !atomic_load(&recipient->is_made);
}

/* OpenSSL keeps its primes in the secure heap. */
static void *make(void *argument)
{
    struct keeper_recipient *recipient = argument;
    EVP_PKEY *key = NULL;
    AUTO_POINTER(EVP_PKEY_CTX) context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (context && EVP_PKEY_keygen_init(context) == 1 &&
        EVP_PKEY_CTX_set_rsa_keygen_bits(context, BITS) == 1) {
        EVP_PKEY_CTX_set_app_data(context, recipient);
        EVP_PKEY_CTX_set_cb(context, goes_on);
        if (EVP_PKEY_generate(context, &key) != 1)
            key = NULL;
    }
    ERR_clear_error();
    if (key && atomic_exchange(&recipient->is_made, true)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

result keeper_recipient_begin(struct keeper_recipient *recipient)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t wanted = processors >= KEEPER_RECIPIENT_THREADS ? KEEPER_RECIPIENT_THREADS : 1;
    for (; recipient->num_threads < wanted; recipient->num_threads++) {
        int failed = pthread_create(&recipient->threads[recipient->num_threads], NULL, make, recipient);
        ENSURE(!failed, E_IO, "cannot start a thread: %s", strerror(failed));
    }
    return RESULT_OK;
}

EVP_PKEY *keeper_recipient_take(struct keeper_recipient *recipient)
{
    EVP_PKEY *key = NULL;
    for (; recipient->num_threads > 0; recipient->num_threads--) {
        void *made = NULL;
        (void)pthread_join(recipient->threads[recipient->num_threads - 1], &made);
        if (made)
            key = made;
    }
    return key;
}

void keeper_recipient_cleanup(struct keeper_recipient *recipient)
{
    atomic_store(&recipient->is_made, true);
    EVP_PKEY_free(keeper_recipient_take(recipient));
}
