/* fetcher_answer.h - FETCHED messages. Any thread: a packet is whole or not there. */
#ifndef FETCHER_FETCHER_ANSWER_H
#define FETCHER_FETCHER_ANSWER_H

#include "base/secret.h"
#include "ipc/ipc_fetch.h"

/* A value, in as many packets as it takes; name is "" where the loader knows it. E_PEER when the loader has
 * gone. */
must_check result fetcher_answer_value(int loader, uint32_t id, const char *name, const struct secret *value,
                                       bool is_last);

/* The one answer to a FETCH: the value, or of a failed outcome the latest sentence. */
must_check result fetcher_answer_outcome(int loader, uint32_t id, result outcome, const struct secret *value);

/* A failure with its sentence. */
must_check result fetcher_answer_failure(int loader, const struct ipc_fetched *failed, const char *text);

/* The end of what IPC_FETCH_AWS_ALL is answered with. */
must_check result fetcher_answer_end(int loader, uint32_t id);

#endif
