/* ctl_upload_plan.c - keys upload: which keys there are to upload, with their public keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "base/log.h"
#include "ctl_upload.h"

void ctl_upload_origin(char out[static CTL_UPLOAD_ORIGIN_MAX], const struct ctl_upload *u,
                       const struct ctl_upload_key *key)
{
    if (u->options->items)
        (void)snprintf(out, CTL_UPLOAD_ORIGIN_MAX, "%s", u->files[key->number].path);
    else if (u->options->keystores)
        (void)snprintf(out, CTL_UPLOAD_ORIGIN_MAX, "%s", u->sources.items[key->number].origin);
    else
        (void)snprintf(out, CTL_UPLOAD_ORIGIN_MAX, "m/12381/3600/%zu/0/0", key->number);
}

result ctl_upload_add(struct ctl_upload *u, const struct ctl_upload_key *key)
{
    if (u->num_keys == u->capacity) {
        size_t capacity = u->capacity ? 2 * u->capacity : 256;
        struct ctl_upload_key *larger = reallocarray(u->keys, capacity, sizeof *larger);
        ENSURE(larger, E_MEMORY, "out of memory for %zu keys", capacity);
        u->keys = larger;
        u->capacity = capacity;
    }
    u->keys[u->num_keys++] = *key;
    return RESULT_OK;
}

/* One key of the list, found by any thread. */
struct finding {
    const struct ctl_upload *upload;
    size_t number;
    uint8_t pubkey[BLS_PUBKEY_LEN];
    struct buffer deposit; /* of a new key that will be sealed: its item has no place for it */
    result outcome;
    char text[256];
};

struct findings {
    struct finding *list;
    size_t num;
};

static void findings_cleanup(struct findings *f)
{
    for (size_t i = 0; i < f->num; i++)
        buffer_cleanup(&f->list[i].deposit);
    free(f->list);
}

static must_check result derive(struct finding *f)
{
    const struct ctl_upload *u = f->upload;
    char path[CTL_KEY_PATH_MAX];
    AUTO(secret) key = {0};
    TRY(ctl_key_maker_derive(&u->maker, &key, path, f->pubkey, (uint32_t)f->number));
    return u->options->deposits ? ctl_key_maker_deposit(&u->maker, &f->deposit, &key, (uint32_t)f->number)
                                : RESULT_OK;
}

static void find_one(void *findings, size_t number)
{
    struct finding *f = (struct finding *)findings + number;
    f->outcome = f->upload->options->keystores
                     ? ctl_upload_pubkey(f->pubkey, &f->upload->sources.items[f->number])
                     : derive(f);
    (void)snprintf(f->text, sizeof f->text, "%s", f->outcome.code ? error_text() : "");
}

static must_check result take_findings(struct ctl_upload *u, const struct findings *found)
{
    for (size_t i = 0; i < found->num; i++) {
        const struct finding *f = &found->list[i];
        struct ctl_upload_key key = {.number = f->number};
        memcpy(key.pubkey, f->pubkey, sizeof key.pubkey);
        if (f->outcome.code) {
            char origin[CTL_UPLOAD_ORIGIN_MAX];
            ctl_upload_origin(origin, u, &key);
            log_error("%s: %s", origin, f->text);
            u->num_failed++;
        } else {
            TRY(ctl_upload_add(u, &key));
        }
    }
    return RESULT_OK;
}

static must_check result write_deposits(const struct findings *found, const char *path)
{
    AUTO(buffer) list = {0};
    TRY(buffer_append_text(&list, "["));
    for (size_t i = 0; i < found->num; i++) {
        /* Each is a list of one. */
        const struct buffer *deposit = &found->list[i].deposit;
        ENSURE(deposit->length > 2, E_INTERNAL, "a deposit datum is no list");
        TRY(buffer_append_text(&list, list.length > 1 ? "," : ""));
        TRY(buffer_append(&list, deposit->data + 1, deposit->length - 2));
    }
    TRY(buffer_append_text(&list, "]\n"));
    return file_write(path, list.data, list.length, 0644);
}

static must_check result find_all(struct ctl_upload *u, struct findings *found)
{
    for (size_t i = 0; i < found->num; i++)
        found->list[i].upload = u;
    TRY(ctl_parallel(find_one, found->list, found->num, u->options->jobs));
    TRY(take_findings(u, found));
    if (u->options->deposits && u->num_failed == 0)
        return write_deposits(found, u->options->deposits);
    return RESULT_OK;
}

static must_check result list_new(struct ctl_upload *u)
{
    AUTO(findings) found = {.num = u->options->keys.count};
    found.list = calloc(found.num, sizeof *found.list);
    ENSURE(found.list, E_MEMORY, "out of memory for %zu keys", found.num);
    for (size_t i = 0; i < found.num; i++)
        found.list[i].number = u->options->keys.first + i;
    return find_all(u, &found);
}

static must_check result list_keystores(struct ctl_upload *u)
{
    const struct ctl_upload_options *o = u->options;
    result r = key_sources_add_keystores(&u->sources, o->keystores, o->passwords, o->password_file);
    if (r.code)
        return error_prefix(r, "--keystores-path");
    AUTO(findings) found = {0};
    found.list = calloc(u->sources.num_items + 1, sizeof *found.list);
    ENSURE(found.list, E_MEMORY, "out of memory for %zu keys", u->sources.num_items);
    for (size_t i = 0; i < u->sources.num_items; i++)
        found.list[found.num++].number = i;
    return find_all(u, &found);
}

result ctl_upload_list(struct ctl_upload *u)
{
    if (u->options->items)
        TRY(ctl_upload_items_list(u));
    else if (u->options->keystores)
        TRY(list_keystores(u));
    else
        TRY(list_new(u));
    ENSURE(u->num_keys + u->num_failed > 0, E_NOT_FOUND, "there is no key to upload");
    return RESULT_OK;
}
