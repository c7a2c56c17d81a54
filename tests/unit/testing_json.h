/* testing_json.h - reading third-party vectors that are JSON files. Plain jansson, because the
 * vectors are trusted and our own strict reader is itself under test. */
#ifndef TESTING_JSON_H
#define TESTING_JSON_H

#include <dirent.h>
#include <jansson.h>

#include "base/hex.h"
#include "testing.h"

/* The vector file of that name, parsed; the caller drops the reference. */
static inline json_t *vector_json(const char *name)
{
    char path[1024];
    vector_path(path, sizeof path, name);
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root)
        fail_msg("%s: %s", path, error.text);
    return root;
}

/* A text member that must be there. */
static inline const char *json_member_text(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    if (!text)
        fail_msg("vector lacks the text %s", member);
    return text;
}

/* Hex of any length, with or without 0x; returns the number of bytes. */
static inline size_t hex_bytes(uint8_t *out, size_t out_capacity, const char *text)
{
    size_t length = (strlen(text) - (strncmp(text, "0x", 2) == 0 ? 2 : 0)) / 2;
    assert_true(length <= out_capacity);
    assert_ok(hex_decode(out, length, text, strlen(text)));
    return length;
}

/* Calls check for each *.json of a vector folder; returns how many there were. */
static inline size_t vector_for_each(const char *folder, void (*check)(const char *name, const json_t *root))
{
    char path[512];
    vector_path(path, sizeof path, folder);
    struct dirent **entries;
    int num_entries = scandir(path, &entries, NULL, alphasort);
    if (num_entries < 0)
        fail_msg("%s: no such folder", path);
    size_t checked = 0;
    for (int i = 0; i < num_entries; i++) {
        size_t length = strlen(entries[i]->d_name);
        if (length > 5 && strcmp(entries[i]->d_name + length - 5, ".json") == 0) {
            char name[512];
            (void)snprintf(name, sizeof name, "%s/%s", folder, entries[i]->d_name);
            json_t *root = vector_json(name);
            check(entries[i]->d_name, root);
            json_decref(root);
            checked++;
        }
        free(entries[i]);
    }
    free(entries);
    return checked;
}

#endif
