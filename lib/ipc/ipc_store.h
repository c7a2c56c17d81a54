/* ipc_store.h - the messages between keeper and courier of a store across a network, PROTOCOL.ipc section 4.
 *
 * Entries and heads are bytes here, IPC_STORE_ENTRY_LEN and IPC_STORE_HEAD_LEN of them; slashing_codec.h says
 * what they mean, and checks them. Pointers point into the packet. */
#ifndef IPC_IPC_STORE_H
#define IPC_IPC_STORE_H

#include "ipc/ipc.h"

/* STORE_ACCESS: texts of at most IPC_STORE_ACCESS_MAX bytes each, without a NUL; any may be empty. For
 * DynamoDB access key id, secret access key and session token; for PostgreSQL user, password and URL. */
struct ipc_store_access {
    struct ipc_bytes name, secret, extra;
};
void ipc_pack_store_access(struct packer *p, const struct ipc_store_access *access);
must_check result ipc_take_store_access(struct ipc_store_access *ret_access, struct ipc_message *m);

/* STORE_HEAD: head is zero unless the status is FOUND; the text says why it could not be asked. */
enum ipc_store_head_status { IPC_STORE_HEAD_FOUND, IPC_STORE_HEAD_NONE, IPC_STORE_HEAD_FAILED };
struct ipc_store_head {
    enum ipc_store_head_status status;
    const uint8_t *head;
    struct ipc_bytes text;
};
void ipc_pack_store_head(struct packer *p, const struct ipc_store_head *head);
must_check result ipc_take_store_head(struct ipc_store_head *ret_head, struct ipc_message *m);

/* STORE_HEAD_SET; the enrolments are num_enrolments x (48 bytes of public key, entry). */
struct ipc_store_head_set {
    uint64_t id;
    const uint8_t *old, *next;
    const uint8_t *enrolments;
    uint32_t num_enrolments;
};
void ipc_pack_store_head_set(struct packer *p, const struct ipc_store_head_set *set);
must_check result ipc_take_store_head_set(struct ipc_store_head_set *ret_set, struct ipc_message *m);

/* STORE_HEAD_IS_SET, and the outcome of an advance: OPEN may be true now, later or never. */
enum ipc_store_outcome { IPC_STORE_OPEN_OUTCOME, IPC_STORE_DONE, IPC_STORE_CONFLICT };
struct ipc_store_head_is_set {
    uint64_t id;
    enum ipc_store_outcome outcome;
    struct ipc_bytes text;
};
void ipc_pack_store_head_is_set(struct packer *p, const struct ipc_store_head_is_set *set);
must_check result ipc_take_store_head_is_set(struct ipc_store_head_is_set *ret_set, struct ipc_message *m);

/* STORE_LOAD: no public keys ask for all that the store has. */
struct ipc_store_load {
    uint64_t id;
    const uint8_t *pubkeys; /* num_keys x 48 */
    uint32_t num_keys;
};
void ipc_pack_store_load(struct packer *p, const struct ipc_store_load *load);
must_check result ipc_take_store_load(struct ipc_store_load *ret_load, struct ipc_message *m);

/* STORE_ENTRIES: in the order they were asked for, in as many packets as it takes. */
enum ipc_store_entries_status { IPC_STORE_MORE, IPC_STORE_LAST, IPC_STORE_LOAD_FAILED };
struct ipc_store_entries {
    uint64_t id;
    enum ipc_store_entries_status status;
    const uint8_t *entries; /* num_entries x (48 bytes of public key, entry) */
    uint32_t num_entries;
};
void ipc_pack_store_entries(struct packer *p, const struct ipc_store_entries *entries);
must_check result ipc_take_store_entries(struct ipc_store_entries *ret_entries, struct ipc_message *m);

/* After ipc_begin(IPC_STORE_ADVANCE, count) and ipc_begin(IPC_STORE_ADVANCED, count). */
struct ipc_store_advance {
    uint64_t id;
    const uint8_t *pubkey, *old, *next;
    bool is_history; /* slashing_store.h says what of */
};
void ipc_pack_store_advance(struct packer *p, const struct ipc_store_advance *advance);
must_check result ipc_take_store_advance(struct ipc_store_advance *ret_advance, struct cursor *c);
struct ipc_store_advanced {
    uint64_t id;
    enum ipc_store_outcome outcome;
    const uint8_t *found; /* an entry; NULL, and zero on the wire, unless CONFLICT */
};
void ipc_pack_store_advanced(struct packer *p, const struct ipc_store_advanced *advanced);
must_check result ipc_take_store_advanced(struct ipc_store_advanced *ret_advanced, struct cursor *c);

#endif
