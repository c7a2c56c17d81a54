/* courier_kms.c - see courier_kms.h.
 *
 * One thread, one job slot, one mutex. Rejected: libcurl's multi interface inside our poll loop - it would
 * need the retry and its waits to be taken apart into timers, for no gain while records are decrypted in
 * sequence. */
#include "courier_kms.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { CONNECT_TIMEOUT_MS = 5000, ATTEMPT_TIMEOUT_MS = 10000, ATTEMPTS = 6 };

enum slot { SLOT_EMPTY, SLOT_JOB, SLOT_OUTCOME };

struct courier_kms {
    struct courier_kms_settings settings;
    int event;
    pthread_t thread;
    bool busy; /* the owner's view: from submit to take */
    struct aws_client *client;
    char key_arn[AWS_KMS_KEY_ID_MAX + 1];

    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum slot slot;
    bool stopping;
    /* Belongs to the thread while the slot holds a job, else to the owner. */
    struct aws_credentials credentials;
    struct buffer ciphertext, document;
    struct courier_kms_outcome outcome;
};

static void run_job(struct courier_kms *kms)
{
    const struct aws_kms_decrypt request = {.key_id = kms->key_arn,
                                            .ciphertext = kms->ciphertext.data,
                                            .ciphertext_len = kms->ciphertext.length,
                                            .document = kms->document.data,
                                            .document_len = kms->document.length};
    kms->outcome = (struct courier_kms_outcome){0};
    result r = aws_kms_decrypt(kms->client, &kms->outcome.envelope, &kms->credentials, &request);
    kms->outcome.code = r.code;
    if (r.code)
        (void)snprintf(kms->outcome.text, sizeof kms->outcome.text, "%s", error_text());
}

static void *work(void *kms_pointer)
{
    struct courier_kms *kms = kms_pointer;
    (void)pthread_mutex_lock(&kms->lock);
    for (;;) {
        while (kms->slot != SLOT_JOB && !kms->stopping)
            (void)pthread_cond_wait(&kms->changed, &kms->lock);
        if (kms->stopping)
            break;
        (void)pthread_mutex_unlock(&kms->lock);
        run_job(kms);
        (void)pthread_mutex_lock(&kms->lock);
        kms->slot = SLOT_OUTCOME;
        const uint64_t one = 1;
        if (write(kms->event, &one, sizeof one) != sizeof one)
            break; /* the counter cannot overflow with one job at a time */
    }
    (void)pthread_mutex_unlock(&kms->lock);
    return NULL;
}

result courier_kms_start(struct courier_kms **ret_kms, const struct courier_kms_settings *settings)
{
    AUTO_FD event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ENSURE(event >= 0, E_IO, "eventfd: %s", strerror(errno));
    struct courier_kms *kms = calloc(1, sizeof *kms);
    ENSURE(kms, E_MEMORY, "out of memory for the KMS thread");
    kms->settings = *settings;
    kms->event = event;
    (void)pthread_mutex_init(&kms->lock, NULL);
    (void)pthread_cond_init(&kms->changed, NULL);
    int code = pthread_create(&kms->thread, NULL, work, kms);
    if (code) {
        free(kms);
        FAIL(E_IO, "KMS thread: %s", strerror(code));
    }
    (void)fd_take(&event);
    *ret_kms = kms;
    return RESULT_OK;
}

void courier_kms_stop(struct courier_kms *kms)
{
    (void)pthread_mutex_lock(&kms->lock);
    kms->stopping = true;
    (void)pthread_cond_signal(&kms->changed);
    (void)pthread_mutex_unlock(&kms->lock);
    (void)pthread_join(kms->thread, NULL);
    aws_client_close(kms->client);
    aws_credentials_cleanup(&kms->credentials);
    buffer_cleanup(&kms->ciphertext);
    buffer_cleanup(&kms->document);
    buffer_cleanup(&kms->outcome.envelope);
    (void)pthread_cond_destroy(&kms->changed);
    (void)pthread_mutex_destroy(&kms->lock);
    (void)close(kms->event);
    free(kms);
}

result courier_kms_configure(struct courier_kms *kms, const char *region, const char *key_arn)
{
    ENSURE(!kms->busy, E_STATE, "a KMS call is under way");
    char endpoint[128];
    (void)snprintf(endpoint, sizeof endpoint, "https://kms.%s.amazonaws.com", region);
    const struct aws_client_config config = {.endpoint =
                                                 kms->settings.endpoint ? kms->settings.endpoint : endpoint,
                                             .region = region,
                                             .service = "kms",
                                             .via = &kms->settings.via,
                                             .ca_pem = &kms->settings.ca_pem,
                                             .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                             .attempt_timeout_ms = ATTEMPT_TIMEOUT_MS,
                                             .attempts = ATTEMPTS,
                                             .response_max = AWS_KMS_RESPONSE_MAX};
    struct aws_client *client = NULL;
    ENSURE(strlen(key_arn) < sizeof kms->key_arn, E_INPUT, "kms_key: is too long");
    TRY(aws_client_open(&client, &config));
    aws_client_close(kms->client);
    kms->client = client;
    (void)snprintf(kms->key_arn, sizeof kms->key_arn, "%s", key_arn);
    return RESULT_OK;
}

bool courier_kms_busy(const struct courier_kms *kms)
{
    return kms->busy;
}

result courier_kms_submit(struct courier_kms *kms, const struct aws_credentials *credentials,
                          const uint8_t *ciphertext, size_t ciphertext_len, const struct buffer *document)
{
    ENSURE(!kms->busy && kms->client, E_STATE, "a KMS call is under way, or none is possible yet");
    buffer_consume(&kms->ciphertext, kms->ciphertext.length);
    buffer_consume(&kms->document, kms->document.length);
    aws_credentials_cleanup(&kms->credentials);
    TRY(buffer_append(&kms->ciphertext, ciphertext, ciphertext_len));
    TRY(buffer_append(&kms->document, document->data, document->length));
    TRY(aws_credentials_copy(&kms->credentials, credentials));
    kms->busy = true;
    (void)pthread_mutex_lock(&kms->lock);
    kms->slot = SLOT_JOB;
    (void)pthread_cond_signal(&kms->changed);
    (void)pthread_mutex_unlock(&kms->lock);
    return RESULT_OK;
}

int courier_kms_descriptor(const struct courier_kms *kms)
{
    return kms->event;
}

result courier_kms_take(struct courier_kms *kms, struct courier_kms_outcome *ret_outcome)
{
    uint64_t count = 0;
    ENSURE(read(kms->event, &count, sizeof count) == sizeof count, E_STATE, "no KMS call is over");
    (void)pthread_mutex_lock(&kms->lock);
    *ret_outcome = kms->outcome;
    kms->outcome = (struct courier_kms_outcome){0};
    kms->slot = SLOT_EMPTY;
    (void)pthread_mutex_unlock(&kms->lock);
    aws_credentials_cleanup(&kms->credentials);
    kms->busy = false;
    return RESULT_OK;
}
