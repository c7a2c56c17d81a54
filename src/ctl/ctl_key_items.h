/* ctl_key_items.h - what the verbs that make keys write and print: an item for one key in a folder, and a
 * line or a member a key. */
#ifndef CTL_CTL_KEY_ITEMS_H
#define CTL_CTL_KEY_ITEMS_H

#include "ctl.h"
#include "ctl_terminal.h"

struct ctl_key_item {
    const char *uuid, *pubkey, *chain; /* pubkey without 0x */
    const struct buffer *ciphertext_b64;
    const struct buffer *deposit; /* NULL: none */
};
/* OUT/validators/PUBKEY.json */
must_check result ctl_key_item_write(const char *out, const struct ctl_key_item *item);

/* A line a key, or with --output=json one object at the end; and how far it is. */
struct ctl_key_report {
    bool json;
    struct buffer text;
    size_t num;
    struct ctl_progress progress;
};
void ctl_key_report_begin(struct ctl_key_report *report, const struct ctl_call *call, size_t total);
/* path: where the key comes from, an EIP-2334 path or a file; pubkey without 0x. */
must_check result ctl_key_report_add(struct ctl_key_report *report, const char *path, const char *pubkey);
must_check result ctl_key_report_end(struct ctl_key_report *report);
void ctl_key_report_cleanup(struct ctl_key_report *report);

#endif
