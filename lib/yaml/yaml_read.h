/* yaml_read.h - a strict reader over libyaml for flat files: each document is a mapping from
 * scalar to scalar (key configuration files, network configurations).
 *
 * Keys and values may be secrets: they are kept in OpenSSL's secure heap when the process has one
 * and wiped on clean-up. libyaml itself works on the ordinary heap; its allocator is replaced by one
 * that wipes whatever it frees (end of yaml_read.c).
 */
#ifndef YAML_YAML_READ_H
#define YAML_YAML_READ_H

#include "base/result.h"

enum {
    YAML_DEPTH_MAX = 16,
    YAML_LENGTH_MAX = 1 << 20,
    YAML_EVENTS_MAX = 100000,
    YAML_KEYS_MAX = 512,
    YAML_LIST_MAX = 64
};

struct yaml_pair {
    char *key;    /* NUL-terminated, no NUL inside */
    char *value;  /* the same; "" for an empty value; NULL for a nested one that was ignored */
    bool is_list; /* YAML_NESTED_JOIN: value is joined from the parts of a sequence */
    size_t line;  /* of the key, from 1 */
};

struct yaml_section {
    struct yaml_pair *pairs;
    size_t num_pairs;
    size_t line; /* where the document begins, from 1 */
};

/* One file: its documents ("---") in order; empty documents are left out. */
struct yaml_file {
    struct yaml_section *sections;
    size_t num_sections;
};
void yaml_file_cleanup(struct yaml_file *file);

/* What to do with a value that is a mapping or a sequence. JOIN: the scalars of a sequence, with commas
 * between them, at most YAML_LIST_MAX; what else is nested is ignored. */
enum yaml_nested { YAML_NESTED_REFUSE, YAML_NESTED_IGNORE, YAML_NESTED_JOIN };

/* E_TOO_LARGE over YAML_LENGTH_MAX bytes; E_INPUT with the line when it is no YAML, a document is
 * not a mapping, a key stands twice, there is an anchor, alias, tag or NUL, or it is too deep or has too
 * many parts. Nothing of the text is echoed. */
must_check result yaml_read(struct yaml_file *ret_file, const char *text, size_t text_len,
                            enum yaml_nested nested);

/* Called with each document, which is valid during the call; who zeroes the section has taken it over. A
 * failed result ends the reading with it. */
typedef result (*yaml_on_section)(void *context, struct yaml_section *section);

/* The same from an open file of any length, one document in memory at a time: YAML_LENGTH_MAX bytes (and what
 * is read ahead, less than 64 KiB) and YAML_EVENTS_MAX parts count for each document. E_TOO_LARGE over
 * max_length bytes, E_IO, and as yaml_read; the documents before a mistake have then been handed over. */
must_check result yaml_read_documents(int fd, size_t max_length, enum yaml_nested nested,
                                      yaml_on_section on_section, void *context);

/* The value of a key; NULL when absent, or nested. Keys are compared exactly. */
const char *yaml_get(const struct yaml_section *section, const char *key);

#endif
