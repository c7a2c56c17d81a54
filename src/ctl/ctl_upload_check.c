/* ctl_upload_check.c - keys upload: what must not be. One validator key in two signers with two records of
 * what was signed is how validators are slashed, so that the whole table is read before anything is written,
 * and again after: of two uploads at the same time at least one sees the other. */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/log.h"
#include "ctl_upload.h"

enum { SAID_MAX = 20 };

static int compare(const void *a, const void *b)
{
    const struct ctl_upload_key *const *left = a, *const *right = b;
    return memcmp((*left)->pubkey, (*right)->pubkey, BLS_PUBKEY_LEN);
}

static must_check result compare_neighbours(const struct ctl_upload *u, const struct ctl_upload_key **sorted)
{
    for (size_t i = 1; i < u->num_keys; i++) {
        char first[CTL_UPLOAD_ORIGIN_MAX], second[CTL_UPLOAD_ORIGIN_MAX];
        if (memcmp(sorted[i - 1]->pubkey, sorted[i]->pubkey, BLS_PUBKEY_LEN) != 0)
            continue;
        ctl_upload_origin(first, u, sorted[i - 1]);
        ctl_upload_origin(second, u, sorted[i]);
        FAIL(E_STATE, "%.80s and %.80s are of one public key: nothing was uploaded", first, second);
    }
    return RESULT_OK;
}

/* Two sources of one key: which of them would count is not for us to choose. */
static must_check result check_twice(const struct ctl_upload *u)
{
    const struct ctl_upload_key **sorted = calloc(u->num_keys + 1, sizeof(const struct ctl_upload_key *));
    ENSURE(sorted, E_MEMORY, "out of memory for %zu keys", u->num_keys);
    for (size_t i = 0; i < u->num_keys; i++)
        sorted[i] = &u->keys[i];
    qsort(sorted, u->num_keys, sizeof *sorted, compare);
    result r = compare_neighbours(u, sorted);
    free(sorted);
    return r;
}

/* How often a key is in the table, and where. */
struct places {
    size_t here, elsewhere;
    const struct ctl_table_item *here_item, *other_item;
};

static struct places find_places(const struct ctl_table *table, const struct ctl_upload_key *key,
                                 const char *uuid)
{
    struct places p = {0};
    for (const struct ctl_table_key *found = ctl_table_find(table, key->pubkey, NULL); found;
         found = ctl_table_find(table, key->pubkey, found)) {
        const struct ctl_table_item *item = &table->items[found->item];
        bool is_here = strcmp(item->uuid, uuid) == 0;
        p.here += is_here;
        p.elsewhere += !is_here;
        if (is_here)
            p.here_item = item;
        else
            p.other_item = item;
    }
    return p;
}

/* Only one key's item can take the place of another: a batch would have the key beside that. */
static bool may_take(const struct ctl_upload *u, const struct ctl_upload_key *key,
                     const struct ctl_table_item *item, bool is_asked_for)
{
    bool comes_in_batch = u->options->items && u->files[key->number].is_sealed;
    return is_asked_for && !item->is_sealed && !comes_in_batch;
}

static void say_elsewhere(const struct ctl_upload_key *key, const struct ctl_table_item *item, size_t said)
{
    char text[CTL_PUBKEY_TEXT];
    hex_encode(text, key->pubkey, BLS_PUBKEY_LEN);
    if (said <= SAID_MAX)
        log_error("0x%s is there already under web3signer_uuid %.64s, item %.110s%s", text, item->uuid,
                  item->name, item->is_sealed ? ", sealed: it cannot be moved" : "");
    else if (said == SAID_MAX + 1)
        log_error("and so are others");
}

/* Of such an item keys are known only when it lacks active alone. */
static void refuse_damaged(struct ctl_upload *u, struct ctl_upload_key *key,
                           const struct ctl_table_item *item)
{
    char text[CTL_PUBKEY_TEXT];
    hex_encode(text, key->pubkey, BLS_PUBKEY_LEN);
    log_error("0x%s is there already, but signers leave out its item %.110s, damaged: keys activate mends it",
              text, item->name);
    key->fate = CTL_UPLOAD_FAILED;
    u->num_failed++;
}

static void settle(struct ctl_upload *u, struct ctl_upload_key *key, const struct places *p)
{
    const struct ctl_table_item *item = p->elsewhere ? p->other_item : p->here_item;
    if (!item)
        return;
    if (p->elsewhere) {
        key->old = item;
    } else if (may_take(u, key, item, u->options->may_replace)) {
        key->taken = item;
    } else if (item->is_damaged) {
        refuse_damaged(u, key, item);
    } else {
        key->fate = CTL_UPLOAD_THERE;
        u->num_there++;
    }
}

result ctl_upload_check(struct ctl_upload *u)
{
    size_t num_elsewhere = 0;
    TRY(check_twice(u));
    TRY(ctl_table_read(&u->there, &u->table, NULL));
    for (size_t i = 0; i < u->num_keys; i++) {
        struct places p = find_places(&u->there, &u->keys[i], u->table.uuid);
        bool may_move =
            p.elsewhere == 1 && !p.here && may_take(u, &u->keys[i], p.other_item, u->options->may_move);
        if (p.elsewhere && !may_move)
            say_elsewhere(&u->keys[i], p.other_item, ++num_elsewhere);
        settle(u, &u->keys[i], &p);
    }
    ENSURE(
        num_elsewhere == 0, E_STATE,
        "%zu of the keys are another web3signer_uuid's: nothing was uploaded. Two signers with one key are "
        "how validators are slashed; --move takes a key from the other, but not into a sealed batch",
        num_elsewhere);
    return RESULT_OK;
}

/* A transaction of which no answer came may have been carried out. */
static bool was_moved_all_the_same(const struct ctl_upload_key *key, const struct places *p)
{
    return key->fate == CTL_UPLOAD_FAILED && key->old && p->here == 1 && p->elsewhere == 0;
}

result ctl_upload_check_again(struct ctl_upload *u)
{
    size_t num_twice = 0;
    AUTO(ctl_table) now = {0};
    if (u->num_written == 0 && u->num_failed == 0)
        return RESULT_OK;
    TRY(ctl_table_read(&now, &u->table, NULL));
    for (size_t i = 0; i < u->num_keys; i++) {
        const struct ctl_upload_key *key = &u->keys[i];
        char text[CTL_PUBKEY_TEXT];
        struct places p = find_places(&now, key, u->table.uuid);
        bool is_right = key->fate != CTL_UPLOAD_WRITTEN || (p.here == 1 && !p.elsewhere);
        hex_encode(text, key->pubkey, BLS_PUBKEY_LEN);
        if (was_moved_all_the_same(key, &p))
            log_warn(
                "0x%s: was moved, although no answer came: signers that had it sign with it until they are "
                "restarted",
                text);
        if (is_right || ++num_twice > SAID_MAX)
            continue;
        log_error("0x%s: %zu items under web3signer_uuid %.64s and %zu under others have it", text, p.here,
                  u->table.uuid, p.elsewhere);
    }
    ENSURE(num_twice == 0, E_STATE,
           "%zu keys that were uploaded are not there exactly once: somebody else has changed the table "
           "meanwhile. Do not start a signer with them before each is in one item",
           num_twice);
    return RESULT_OK;
}
