/* ipc_fields.h - what the decoders of this room share; not for others. */
#ifndef IPC_IPC_FIELDS_H
#define IPC_IPC_FIELDS_H

#include "ipc/ipc.h"

/* A header's count that has one permitted value. */
must_check result ipc_take_count(const struct ipc_message *m, uint32_t count);
/* A byte that is 0 or 1. */
must_check result ipc_take_bool(bool *ret_value, struct cursor *c);
must_check result ipc_take_keeper_state(enum ipc_keeper_state *ret_state, struct cursor *c);
/* Everything that is left: exactly as many bytes as the header counts, between low and high. */
must_check result ipc_take_counted(struct ipc_bytes *ret_bytes, struct ipc_message *m, uint32_t low,
                                   uint32_t high);

/* 48 bytes, zero for NULL. */
void ipc_pack_pubkey_or_none(struct packer *p, const uint8_t *pubkey);
must_check result ipc_take_pubkey_or_none(const uint8_t **ret_pubkey, struct cursor *c);

/* As many sources as the header counts, and nothing behind them. */
void ipc_pack_counts(struct packer *p, const struct ipc_counts *counts);
must_check result ipc_take_counts(struct ipc_counts *ret_counts, struct ipc_message *m);
/* A length and that many bytes of text, without a NUL; E_INPUT over max_length. */
void ipc_pack_text(struct packer *p, struct ipc_bytes text);
must_check result ipc_take_text(struct ipc_bytes *ret_text, struct cursor *c, uint32_t max_length);

#endif
