/* ipc_table.h - every message of the protocol with every field set, for tests that ask the same question of
 * all: pack makes a packet, take decodes one and packs what it understood again. */
#ifndef IPC_TABLE_H
#define IPC_TABLE_H

#include "testing.h"

#include "ipc/ipc.h"

struct table_row {
    const char *name;
    enum ipc_type type;
    void (*pack)(struct packer *p);
    result (*take)(struct packer *again, struct ipc_message *m);
    size_t length; /* by PROTOCOL.ipc */
};
extern const struct table_row messages[];
extern const size_t num_messages;

/* ipc_table_store.c */
void pack_store_key(struct packer *p);
void pack_store_head(struct packer *p);
void pack_store_no_head(struct packer *p);
void pack_store_head_set(struct packer *p);
void pack_store_head_is_set(struct packer *p);
void pack_store_load(struct packer *p);
void pack_store_load_all(struct packer *p);
void pack_store_entries(struct packer *p);
void pack_store_entries_failed(struct packer *p);
void pack_store_advance(struct packer *p);
void pack_store_access(struct packer *p);
result take_store_access(struct packer *again, struct ipc_message *m);
void pack_store_advanced(struct packer *p);
result take_store_key(struct packer *again, struct ipc_message *m);
result take_store_head(struct packer *again, struct ipc_message *m);
result take_store_head_set(struct packer *again, struct ipc_message *m);
result take_store_head_is_set(struct packer *again, struct ipc_message *m);
result take_store_load(struct packer *again, struct ipc_message *m);
result take_store_entries(struct packer *again, struct ipc_message *m);
result take_store_advance(struct packer *again, struct ipc_message *m);
result take_store_advanced(struct packer *again, struct ipc_message *m);

/* ipc_table_manage.c */
void pack_manage(struct packer *p);
void pack_keystore(struct packer *p);
void pack_files(struct packer *p);
void pack_file_done(struct packer *p);
void pack_managed(struct packer *p);
void pack_key_info(struct packer *p);
result take_manage(struct packer *again, struct ipc_message *m);
result take_keystore(struct packer *again, struct ipc_message *m);
result take_files(struct packer *again, struct ipc_message *m);
result take_file_done(struct packer *again, struct ipc_message *m);
result take_managed(struct packer *again, struct ipc_message *m);
result take_key_info(struct packer *again, struct ipc_message *m);

/* ipc_table_signature.c */
void pack_extension_sign(struct packer *p);
void pack_short_extension(struct packer *p);
void pack_extension_signed(struct packer *p);
void pack_extension_refused(struct packer *p);
result take_extension_sign(struct packer *again, struct ipc_message *m);
void pack_boost_signed(struct packer *p);
void pack_proxy_key(struct packer *p);
void pack_proxies(struct packer *p);
void pack_no_proxies(struct packer *p);
void pack_proxy_wanted(struct packer *p);
void pack_proxy_made(struct packer *p);
void pack_proxy_not_made(struct packer *p);
void pack_boost_sign(struct packer *p);
void pack_boost_sign_by_proxy(struct packer *p);
result take_proxy_key(struct packer *again, struct ipc_message *m);
result take_proxies(struct packer *again, struct ipc_message *m);
result take_proxy_wanted(struct packer *again, struct ipc_message *m);
result take_proxy_made(struct packer *again, struct ipc_message *m);
result take_boost_sign(struct packer *again, struct ipc_message *m);
result take_signature(struct packer *again, struct ipc_message *m);

/* ipc_table_health.c */
void pack_health(struct packer *p);
void pack_health_by_source(struct packer *p);
void pack_health_with_names(struct packer *p);
result take_health(struct packer *again, struct ipc_message *m);
void pack_status(struct packer *p);
void pack_status_with_names(struct packer *p);
result take_status(struct packer *again, struct ipc_message *m);

/* ipc_table_fetch.c */
void pack_fetch_access(struct packer *p);
void pack_no_fetch_access(struct packer *p);
void pack_fetch(struct packer *p);
void pack_fetch_all(struct packer *p);
void pack_fetched(struct packer *p);
void pack_fetched_failure(struct packer *p);
result take_fetch_access(struct packer *again, struct ipc_message *m);
result take_fetch(struct packer *again, struct ipc_message *m);
result take_fetched(struct packer *again, struct ipc_message *m);

/* Bytes without a pattern that a mistake could keep; filled by the test's main. */
extern uint8_t pattern[IPC_PACKET_MAX];
struct ipc_bytes some(uint32_t length);
extern const struct ipc_counts by_source;
/* With every field that goes with that status. */
struct ipc_answer answer_of(enum ipc_answer_status status);

#endif
