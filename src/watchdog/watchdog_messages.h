/* watchdog_messages.h - what is said to the enclave: JSON without its last brace, and the secret part. */
#ifndef WATCHDOG_WATCHDOG_MESSAGES_H
#define WATCHDOG_WATCHDOG_MESSAGES_H

#include "base/buffer.h"
#include "policy/policy.h"
#include "watchdog_options.h"
#include "watchdog_sources.h"

/* The policy document and the access document it pins, read and checked. */
struct watchdog_documents {
    struct buffer policy_text, access_text;
    struct policy policy;
};
void watchdog_documents_cleanup(struct watchdog_documents *documents);
/* E_INPUT names the file. The enclave checks them too; here the operator hears of it before anything starts.
 */
must_check result watchdog_documents_read(struct watchdog_documents *ret_documents,
                                          const struct watchdog_options *options);

/* Appends all of init but the credential and the last brace. */
must_check result watchdog_init_text(struct buffer *out, const struct watchdog_documents *documents,
                                     const struct watchdog_items *items);

#endif
