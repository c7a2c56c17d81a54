/* front_manager.h - what the files of the key manager share: a request as it was understood, and the replies.
 */
#ifndef FRONT_FRONT_MANAGER_H
#define FRONT_FRONT_MANAGER_H

#include "front.h"
#include "slashing/slashing_rules.h"
#include "json/json.h"

/* One element of the request's list. */
struct front_manager_item {
    uint8_t pubkey[48];
    struct ipc_bytes json, password; /* import: in the request's document */
    struct slashing_record history;  /* import: that came with it */
    uint32_t same_as;                /* the earlier element of the same key, or this one */
    uint32_t number;                 /* among those that the keeper is asked about */
    bool is_asked;                   /* the keeper is */
    const char *status;              /* NULL: not known yet */
    char why[IPC_TEXT_MAX + 1];      /* "": none */
    bool has_record;                 /* deletion: for the export */
    struct slashing_record record;
};

struct front_manager_request {
    enum ipc_manage_action action;
    json_t *document; /* import: secret, freed as soon as it was sent */
    bool has_genesis; /* of the histories */
    uint8_t genesis[32];
    uint32_t num_items, num_asked;
    struct front_manager_item items[IPC_MANAGE_MAX];
};
void front_manager_request_cleanup(struct front_manager_request *request);

/* front_manager_parse.c. E_INPUT and E_TOO_LARGE say what is wrong with the whole request; what is wrong with
 * one key is its item's status. protected: the slashing protection data is read. */
must_check result front_manager_parse_import(struct front_manager_request *ret_request, const char *body,
                                             size_t body_len, bool protected);
must_check result front_manager_parse_delete(struct front_manager_request *ret_request, const char *body,
                                             size_t body_len);

/* front_manager_reply.c: appends the answer; every item has its status. genesis: the store's, or NULL. */
must_check result front_manager_format_import(struct buffer *out,
                                              const struct front_manager_request *request);
must_check result front_manager_format_delete(struct buffer *out, const struct front_manager_request *request,
                                              const uint8_t *genesis);

#endif
