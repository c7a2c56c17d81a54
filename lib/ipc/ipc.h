/* ipc.h - PROTOCOL.ipc in C: one encoder and one decoder a message, and packets on a
 * SOCK_SEQPACKET descriptor. Decoders check every length and every enum; what they return
 * may still be wishes of a hostile peer, but it is well formed. Messages that few of the processes speak have
 * headers of their own: ipc_store.h, ipc_proxy.h, ipc_fetch.h.
 */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/result.h"
#include "eth2/eth2_order.h"

enum {
    IPC_PACKET_MAX = 65536,
    IPC_HEADER_LEN = 8,
    IPC_ORDER_LEN = 272,
    IPC_ANSWER_LEN = 192,
    IPC_BATCH_MAX = 160,
    IPC_SIGN_KEYS_MAX = 1024, /* of one SIGN_MANY */
    IPC_KEYS_MAX = 1024,
    IPC_LOADED_KEY_LEN = 84,
    IPC_LOADED_KEYS_MAX = 512,
    IPC_RECORD_MAX = 8192,
    IPC_SEALED_LEN = 108,
    IPC_SEALED_KEYS_MAX = 500,  /* of one SEALED_KEYS */
    IPC_LOAD_KEYS_MAX = 131072, /* validators of one load, wherever they come from */
    IPC_UUID_MAX = 64,
    IPC_DATA_KEY_LEN = 32,
    IPC_TEXT_MAX = 255,
    IPC_NONCE_MAX = 512,
    IPC_IDENTITY_NONCE_MAX = 64, /* of IDENTITY_WANTED */
    IPC_DOCUMENT_MAX = 16384,
    IPC_DIGEST_LEN = 32,
    IPC_POLICY_MAX = 4096,
    IPC_ACCESS_MAX = 49152,
    IPC_TLS_MAX = 60000,
    IPC_STORE_ENTRY_LEN = 136,
    IPC_STORE_HEAD_LEN = 1152,
    IPC_STORE_KEY_LEN = 32,
    IPC_STORE_ENROLMENTS_MAX = 96,
    IPC_STORE_LOAD_MAX = 1024,
    IPC_STORE_ENTRIES_MAX = 256,
    IPC_STORE_NAMED_ENTRY_LEN = 48 + IPC_STORE_ENTRY_LEN,
    IPC_STORE_ADVANCE_LEN = 16 + 48 + 2 * IPC_STORE_ENTRY_LEN,
    IPC_STORE_ADVANCED_LEN = 16 + IPC_STORE_ENTRY_LEN,
    IPC_STORE_ADVANCES_MAX = 160,
    IPC_STORE_ACCESS_MAX = 8192,
    IPC_MANAGE_MAX = 256, /* keys of one request to the key manager */
    IPC_KEYSTORE_MAX = 16384,
    IPC_PASSWORD_MAX = 1024,
    IPC_FILE_LEN = 4 + 48,
    IPC_KEY_PATH_MAX = 127,
    IPC_KEY_INFO_LEN = 48 + 2 + IPC_KEY_PATH_MAX,
    IPC_FETCH_TEXTS = 8,
    IPC_FETCH_TEXT_MAX = 16384,
    IPC_FETCHES_MAX = 64, /* that the loader has under way */
    IPC_FETCHED_NAME_MAX = 512,
    IPC_FETCHED_VALUE_MAX = 60000,
    IPC_KEY_INFOS_MAX = 256,
    IPC_EXTENSION_MIN = 33, /* longer than any signing root */
    IPC_EXTENSION_MAX = 4096,
    IPC_SIGNATURE_MAX = 96,
    IPC_PROXY_LEN = 1 + 48 + 48,
    IPC_PROXIES_MAX = 512,       /* of one message */
    IPC_PROXIES_OF_KEY_MAX = 64, /* that a consensus key may have */
    IPC_PROXIES_IN_ALL_MAX = 8192
};

enum ipc_type {
    IPC_POLICY = 0x0101,
    IPC_STATE = 0x0102,
    IPC_LOADER_START = 0x0103,
    IPC_MANAGER_START = 0x0104,
    IPC_LOADER_STOP = 0x0105,
    IPC_SETTINGS = 0x0201,
    IPC_TLS = 0x0202,
    IPC_KEYS = 0x0203,
    IPC_SERVE = 0x0204,
    IPC_LISTENING = 0x0205,
    IPC_HEALTH = 0x0206,
    IPC_SIGN = 0x0207,
    IPC_SIGNED = 0x0208,
    IPC_HIGH_WATERMARK_WANTED = 0x0209,
    IPC_HIGH_WATERMARK = 0x020a,
    IPC_ACCESS = 0x020b,
    IPC_SIGN_MANY = 0x020c,
    IPC_IDENTITY_WANTED = 0x020d,
    IPC_IDENTITY = 0x020e,
    IPC_POLICY_RESULT = 0x0301,
    IPC_ATTEST = 0x0302,
    IPC_DOCUMENT = 0x0303,
    IPC_LOAD_BEGIN = 0x0304,
    IPC_RECORD = 0x0305,
    IPC_LOAD_END = 0x0306,
    IPC_LOAD_ABORT = 0x0307,
    IPC_LOAD_RESULT = 0x0308,
    IPC_STATUS_WANTED = 0x0309,
    IPC_STATUS = 0x030a,
    IPC_SEALED_KEYS = 0x030b,
    IPC_RECIPIENT_KEY = 0x0401,
    IPC_KEY = 0x0402,
    IPC_RECORD_FAILED = 0x0403,
    IPC_STORE_KEY = 0x0404,
    IPC_STORE_OPEN = 0x0501,
    IPC_STORE_HEAD = 0x0502,
    IPC_STORE_HEAD_WANTED = 0x0503,
    IPC_STORE_HEAD_SET = 0x0504,
    IPC_STORE_HEAD_IS_SET = 0x0505,
    IPC_STORE_LOAD = 0x0506,
    IPC_STORE_ENTRIES = 0x0507,
    IPC_STORE_ADVANCE = 0x0508,
    IPC_STORE_ADVANCED = 0x0509,
    IPC_STORE_ACCESS = 0x050a,
    IPC_MANAGE = 0x0601,
    IPC_KEYSTORE = 0x0602,
    IPC_FILES = 0x0603,
    IPC_FILE_DONE = 0x0604,
    IPC_MANAGED = 0x0605,
    IPC_KEY_INFO = 0x0606,
    IPC_RELOAD = 0x0607,
    IPC_RELOADED = 0x0608,
    IPC_PROXY_START = 0x0701,
    IPC_PROXY_KEY = 0x0702,
    IPC_PROXIES = 0x0703,
    IPC_PROXY_WANTED = 0x0704,
    IPC_PROXY_MADE = 0x0705,
    IPC_BOOST_SIGN = 0x0706,
    IPC_BOOST_SIGNED = 0x0707,
    IPC_EXTENSION_SIGN = 0x0711,
    IPC_EXTENSION_SIGNED = 0x0712,
    IPC_FETCH_ACCESS = 0x0801,
    IPC_FETCH = 0x0802,
    IPC_FETCHED = 0x0803
};

enum ipc_keeper_state {
    IPC_WAIT_STATE = 1,
    IPC_ATTEST_STATE,
    IPC_LOAD_STATE,
    IPC_SERVE_STATE,
    IPC_FAILED_STATE
};

/* "wait", "attest", "load", "serve", "failed": as logs and the control port say it; "?" otherwise. */
const char *ipc_keeper_state_name(enum ipc_keeper_state state);

enum ipc_answer_status {
    IPC_ANSWER_SIGNED,
    IPC_ANSWER_UNKNOWN_KEY,
    IPC_ANSWER_ROOT_DIFFERS,
    IPC_ANSWER_SLASHABLE,
    IPC_ANSWER_STORE,
    IPC_ANSWER_BAD_ORDER,
    IPC_ANSWER_INTERNAL,
    IPC_ANSWER_LATE /* of an order only: nobody waits for its signature any more */
};

enum ipc_record_kind { IPC_RECORD_VALIDATOR = 1, IPC_RECORD_TLS, IPC_RECORD_STORE_KEY, IPC_RECORD_DATA_KEY };
enum ipc_attest_purpose { IPC_ATTEST_RECIPIENT, IPC_ATTEST_IDENTITY };

/* A received packet: type, count, and a cursor on the body. */
struct ipc_message {
    enum ipc_type type;
    uint32_t count;
    struct cursor body;
};

struct ipc_order {
    uint64_t id;
    uint16_t patience_ms; /* how long its request still waits for an answer; 0: nobody says */
    struct eth2_order order;
};

/* The refusals of enum slashing_verdict (lib/slashing is no room that this one may see). */
enum { IPC_VERDICT_FIRST = 3, IPC_VERDICT_LAST = 13 };

struct ipc_answer {
    uint64_t id;
    enum ipc_answer_status status;
    uint8_t verdict; /* when slashable: IPC_VERDICT_FIRST..IPC_VERDICT_LAST */
    uint8_t signing_root[32];
    uint8_t signature[96];
    uint64_t recorded_slot, recorded_source, recorded_target;
    bool has_recorded_block, has_recorded_attestation;
    bool has_limit; /* the refusal rests on a limit of all validators */
    uint64_t limit; /* an epoch for an attestation, a slot for a block */
};

/* Checks header and type of a packet; of SIGN, SIGNED, KEY, KEY_INFO, STORE_ADVANCE and STORE_ADVANCED also
 * that the body is count records long (1 to the message's limit), so that as many can be taken. E_INPUT
 * otherwise. */
must_check result ipc_open(struct ipc_message *ret_message, const uint8_t *packet, size_t packet_len);
/* Starts a packet of that type; the body is packed behind it with the pack_ functions. */
void ipc_begin(struct packer *p, enum ipc_type type, uint32_t count);

/* Sends one packet, waiting for room; descriptor may be -1 for none. E_PEER when the peer is gone. */
must_check result ipc_send(int socket, const uint8_t *packet, size_t packet_len, int descriptor);
/* The same without waiting: E_TIMEOUT when there is no room. */
must_check result ipc_send_now(int socket, const uint8_t *packet, size_t packet_len, int descriptor);
/* Receives one packet into data (IPC_PACKET_MAX bytes). E_PEER at the end; with ret_descriptor NULL a passed
 * descriptor is closed and the packet refused (E_INPUT, as for one that was cut), else it is stored there
 * (-1 for none). E_TIMEOUT when the socket is non-blocking and no packet waits. */
must_check result ipc_receive(int socket, uint8_t *data, size_t *ret_len, int *ret_descriptor);

/* Orders and answers, one record at a time. Fields that the status or the flags declare unused are packed as
 * zero; a record that is not in that one form is E_INPUT. */
void ipc_pack_order(struct packer *p, const struct ipc_order *order);
must_check result ipc_take_order(struct ipc_order *ret_order, struct cursor *c);
void ipc_pack_answer(struct packer *p, const struct ipc_answer *answer);
/* SIGN_MANY: one message to be signed with many keys. The order's public key is zero; key i has its id + i.
 */
struct ipc_sign_many {
    bool more; /* keys of the same batch follow in another packet: the sender asks to have them decided
                  together */
    struct ipc_order order;
    const uint8_t *pubkeys; /* num_keys x 48 */
    uint32_t num_keys;      /* 1..IPC_SIGN_KEYS_MAX */
};
void ipc_pack_sign_many(struct packer *p, const struct ipc_sign_many *many);
must_check result ipc_take_sign_many(struct ipc_sign_many *ret_many, struct ipc_message *m);
must_check result ipc_take_answer(struct ipc_answer *ret_answer, struct cursor *c);

/* Messages that are one fixed struct or a few fields and bytes. The encoders start the packet themselves. */
struct ipc_state {
    enum ipc_keeper_state state;
    uint32_t keys, failed, port;
};
void ipc_pack_state(struct packer *p, const struct ipc_state *state);
must_check result ipc_take_state(struct ipc_state *ret_state, struct ipc_message *m);

/* Where keys come from; a later number is a source more. */
enum ipc_source { IPC_SOURCE_CONFIG_FILES = 1, IPC_SOURCE_KEYSTORES, IPC_SOURCE_AWS, IPC_SOURCE_END };
/* What came of each source of a load, in ascending order. None in an enclave, whose keys have one source. */
struct ipc_counts {
    uint32_t num_sources;
    struct ipc_source_count {
        enum ipc_source source;
        uint32_t keys, failed;
    } sources[IPC_SOURCE_END - 1];
};

/* What the parts of the first start took, in microseconds; zero until they are over. */
enum ipc_phase {
    IPC_PHASE_INIT,    /* from the keeper's start until a policy is in force */
    IPC_PHASE_ATTEST,  /* attestation documents for KMS */
    IPC_PHASE_DECRYPT, /* the courier and KMS, until all records have come */
    IPC_PHASE_LOAD,    /* then until the loader has opened the last, and each key is checked */
    IPC_PHASE_RECORDS, /* slashing protection's records are known */
    IPC_PHASE_READY,   /* the front listens */
    IPC_PHASE_END
};
struct ipc_phases {
    uint32_t us[IPC_PHASE_END];
};
/* "init", "attest", ...; "?" otherwise. */
const char *ipc_phase_name(enum ipc_phase phase);

/* Public keys of keys that could not be loaded, as far as they have been named: the first of them. */
enum { IPC_FAILED_KEYS_MAX = 16 };
struct ipc_failed_keys {
    uint32_t num;
    uint8_t pubkeys[IPC_FAILED_KEYS_MAX][48];
};

/* HEALTH. */
struct ipc_health {
    bool store_ok;
    uint32_t keys, failed;
    struct ipc_failed_keys failed_keys;
    struct ipc_phases phases;
    struct ipc_counts counts;
};
void ipc_pack_health(struct packer *p, const struct ipc_health *health);
must_check result ipc_take_health(struct ipc_health *ret_health, struct ipc_message *m);

/* STATUS; both registers are zero without an NSM. */
struct ipc_status {
    enum ipc_keeper_state state;
    uint32_t keys, failed;
    bool store_ok;
    struct ipc_failed_keys failed_keys;
    uint8_t pcr0[48], pcr16[48];
    struct ipc_phases phases;
};
void ipc_pack_status(struct packer *p, const struct ipc_status *status);
must_check result ipc_take_status(struct ipc_status *ret_status, struct ipc_message *m);

/* Bytes in these structs point into the packet that was decoded, or that is to be encoded. */
struct ipc_bytes {
    const uint8_t *data;
    uint32_t length;
};
/* POLICY SETTINGS ACCESS DOCUMENT IDENTITY_WANTED IDENTITY RECIPIENT_KEY STORE_OPEN; only DOCUMENT and
 * IDENTITY may be empty. */
void ipc_pack_bytes_message(struct packer *p, enum ipc_type type, struct ipc_bytes bytes);
must_check result ipc_take_bytes_message(struct ipc_bytes *ret_bytes, struct ipc_message *m,
                                         uint32_t max_length);

/* SERVE LOAD_ABORT STATUS_WANTED LOADER_START MANAGER_START LOADER_STOP PROXY_START STORE_HEAD_WANTED
 * HIGH_WATERMARK_WANTED RELOAD. */
void ipc_pack_empty(struct packer *p, enum ipc_type type);
must_check result ipc_take_empty(struct ipc_message *m);

/* TLS: PKCS#8 DER (secret), certificates in DER, leaf first, and SHA-256 of the leaf's
 * SubjectPublicKeyInfo. */
struct ipc_tls {
    struct ipc_bytes private_key, certificates;
    uint8_t spki_digest[IPC_DIGEST_LEN];
};
void ipc_pack_tls(struct packer *p, const struct ipc_tls *tls);
must_check result ipc_take_tls(struct ipc_tls *ret_tls, struct ipc_message *m);

struct ipc_keys {
    bool first, last;
    const uint8_t *pubkeys; /* num_keys x 48 */
    uint32_t num_keys;
};
void ipc_pack_keys(struct packer *p, const struct ipc_keys *keys);
must_check result ipc_take_keys(struct ipc_keys *ret_keys, struct ipc_message *m);

/* LISTENING; port 0 for unix: and vsock:. */
void ipc_pack_listening(struct packer *p, uint32_t port);
must_check result ipc_take_listening(uint32_t *ret_port, struct ipc_message *m);

/* POLICY_RESULT, of a POLICY or an ACCESS: the text says why not. */
struct ipc_policy_result {
    bool accepted;
    struct ipc_bytes text;
};
void ipc_pack_policy_result(struct packer *p, const struct ipc_policy_result *r);
must_check result ipc_take_policy_result(struct ipc_policy_result *ret_result, struct ipc_message *m);

/* ATTEST: nonce of at most IPC_NONCE_MAX bytes. */
struct ipc_attest {
    enum ipc_attest_purpose purpose;
    struct ipc_bytes nonce;
};
void ipc_pack_attest(struct packer *p, const struct ipc_attest *attest);
must_check result ipc_take_attest(struct ipc_attest *ret_attest, struct ipc_message *m);

/* LOAD_BEGIN: add to the keys, or replace them. */
void ipc_pack_load_begin(struct packer *p, bool add);
must_check result ipc_take_load_begin(bool *ret_add, struct ipc_message *m);

/* RECORD: a CMS envelope of at most IPC_RECORD_MAX bytes. */
struct ipc_record {
    enum ipc_record_kind kind;
    uint32_t index;
    struct ipc_bytes envelope;
    const uint8_t *pubkey; /* 48 bytes: whose key the host says it is; NULL when it does not say */
};
void ipc_pack_record(struct packer *p, const struct ipc_record *record);
must_check result ipc_take_record(struct ipc_record *ret_record, struct ipc_message *m);

/* SEALED_KEYS: keys under the data key that was the RECORD before, or before the SEALED_KEYS before. */
struct ipc_sealed_keys {
    uint32_t index; /* of the first of them */
    struct ipc_bytes uuid;
    const uint8_t *keys; /* num_keys x IPC_SEALED_LEN */
    uint32_t num_keys;   /* 1..IPC_SEALED_KEYS_MAX */
};
void ipc_pack_sealed_keys(struct packer *p, const struct ipc_sealed_keys *sealed);
must_check result ipc_take_sealed_keys(struct ipc_sealed_keys *ret_sealed, struct ipc_message *m);

/* LOAD_END has one form towards the loader and another back. */
void ipc_pack_load_end(struct packer *p, uint32_t records);
must_check result ipc_take_load_end(uint32_t *ret_records, struct ipc_message *m);
struct ipc_loader_end {
    uint32_t keys, failed; /* in all; counts has the same by source, or no sources */
    struct ipc_counts counts;
};
void ipc_pack_loader_end(struct packer *p, const struct ipc_loader_end *end);
must_check result ipc_take_loader_end(struct ipc_loader_end *ret_end, struct ipc_message *m);

/* LOAD_RESULT. */
struct ipc_load_result {
    bool ok;
    uint32_t keys, failed;
    struct ipc_bytes text;
};
void ipc_pack_load_result(struct packer *p, const struct ipc_load_result *r);
must_check result ipc_take_load_result(struct ipc_load_result *ret_result, struct ipc_message *m);

/* RELOADED: the same of a reload; keys are those in service, failed those of this reload. */
void ipc_pack_reloaded(struct packer *p, const struct ipc_load_result *r);
must_check result ipc_take_reloaded(struct ipc_load_result *ret_result, struct ipc_message *m);

/* HIGH_WATERMARK: epoch and slot are zero unless SET. */
enum ipc_high_watermark_status {
    IPC_HIGH_WATERMARK_UNKNOWN,
    IPC_HIGH_WATERMARK_NONE,
    IPC_HIGH_WATERMARK_SET
};
struct ipc_high_watermark {
    enum ipc_high_watermark_status status; /* UNKNOWN: the store cannot be asked */
    uint64_t epoch, slot;
};
void ipc_pack_high_watermark(struct packer *p, const struct ipc_high_watermark *high);
must_check result ipc_take_high_watermark(struct ipc_high_watermark *ret_high, struct ipc_message *m);

struct ipc_loaded_key {
    uint32_t index;
    const uint8_t *secret; /* 32 bytes, points into the packet */
    const uint8_t *pubkey; /* 48 */
};
void ipc_pack_loaded_key(struct packer *p,
                         const struct ipc_loaded_key *key); /* after ipc_begin(IPC_KEY, count) */
must_check result ipc_take_loaded_key(struct ipc_loaded_key *ret_key, struct cursor *c);

/* RECORD_FAILED: the text holds no secret. FILE_DONE has no public key. */
struct ipc_record_failed {
    uint32_t index;
    enum error_code error;
    struct ipc_bytes text;
    const uint8_t *pubkey; /* 48 bytes: whose key it was said to be; NULL when nobody said */
};
void ipc_pack_record_failed(struct packer *p, const struct ipc_record_failed *failed);
must_check result ipc_take_record_failed(struct ipc_record_failed *ret_failed, struct ipc_message *m);

/* STORE_KEY: IPC_STORE_KEY_LEN secret bytes, which point into the packet. */
void ipc_pack_store_key(struct packer *p, const uint8_t key[static IPC_STORE_KEY_LEN]);
must_check result ipc_take_store_key(const uint8_t **ret_key, struct ipc_message *m);

/* MANAGE: what the key manager is asked for; the items are num_items x (48 bytes of public key, entry). The
 * entry is the history that comes with an import, without stamp, or all zero. */
enum ipc_manage_action { IPC_MANAGE_IMPORT = 1, IPC_MANAGE_DELETE };
struct ipc_manage {
    enum ipc_manage_action action;
    const uint8_t *genesis; /* 32 bytes, of the history; NULL: no history came */
    const uint8_t *items;
    uint32_t num_items;
};
void ipc_pack_manage(struct packer *p, const struct ipc_manage *manage);
must_check result ipc_take_manage(struct ipc_manage *ret_manage, struct ipc_message *m);

/* KEYSTORE: one item's, with its password, a secret. */
struct ipc_keystore {
    uint32_t index;
    const uint8_t *pubkey; /* 48: what the decrypted key must have */
    struct ipc_bytes password, json;
};
void ipc_pack_keystore(struct packer *p, const struct ipc_keystore *keystore);
must_check result ipc_take_keystore(struct ipc_keystore *ret_keystore, struct ipc_message *m);

/* FILES: to be made valid after an import was decrypted, or to be removed; num_items x (u32 index, 48 bytes
 * of public key). Each is answered by FILE_DONE, whose error is E_NONE when it is done. */
struct ipc_files {
    enum ipc_manage_action action;
    const uint8_t *items;
    uint32_t num_items;
};
void ipc_pack_files(struct packer *p, const struct ipc_files *files);
must_check result ipc_take_files(struct ipc_files *ret_files, struct ipc_message *m);
void ipc_pack_file_done(struct packer *p, const struct ipc_record_failed *done);
must_check result ipc_take_file_done(struct ipc_record_failed *ret_done, struct ipc_message *m);

/* MANAGED: what became of an item. The entry, without stamp, is what the store has of a deleted or inactive
 * key. */
enum ipc_managed_status {
    IPC_MANAGED_ERROR,
    IPC_MANAGED_IMPORTED,
    IPC_MANAGED_DELETED,
    IPC_MANAGED_NOT_ACTIVE,
    IPC_MANAGED_NOT_FOUND,
    IPC_MANAGED_OTHER_GENESIS /* of all items: nothing was done */
};
struct ipc_managed {
    uint32_t index;
    enum ipc_managed_status status;
    const uint8_t *genesis; /* 32 bytes, of the store; NULL: none yet */
    const uint8_t *entry;
    struct ipc_bytes text;
};
void ipc_pack_managed(struct packer *p, const struct ipc_managed *managed);
must_check result ipc_take_managed(struct ipc_managed *ret_managed, struct ipc_message *m);

/* KEY_INFO, one record at a time after ipc_begin(IPC_KEY_INFO, count). */
struct ipc_key_info {
    const uint8_t *pubkey; /* 48 */
    bool readonly;         /* not from a keystore file */
    struct ipc_bytes path; /* EIP-2334; may be empty */
};
void ipc_pack_key_info(struct packer *p, const struct ipc_key_info *info);
must_check result ipc_take_key_info(struct ipc_key_info *ret_info, struct cursor *c);

/* EXTENSION_SIGN: bytes that are signed as they are, IPC_EXTENSION_MIN to IPC_EXTENSION_MAX of them. */
struct ipc_extension_sign {
    uint64_t id;
    const uint8_t *pubkey; /* 48 */
    struct ipc_bytes payload;
};
void ipc_pack_extension_sign(struct packer *p, const struct ipc_extension_sign *sign);
must_check result ipc_take_extension_sign(struct ipc_extension_sign *ret_sign, struct ipc_message *m);

/* EXTENSION_SIGNED and BOOST_SIGNED; no bytes unless the status is SIGNED, which has at least one. No status
 * but SIGNED, UNKNOWN_KEY, STORE, BAD_ORDER and INTERNAL is used. */
struct ipc_signature {
    uint64_t id;
    enum ipc_answer_status status;
    struct ipc_bytes signature; /* at most IPC_SIGNATURE_MAX */
};
void ipc_pack_signature(struct packer *p, enum ipc_type type, const struct ipc_signature *signature);
must_check result ipc_take_signature(struct ipc_signature *ret_signature, struct ipc_message *m);

#endif
