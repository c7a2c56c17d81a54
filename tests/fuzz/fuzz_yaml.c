/* fuzz_yaml.c - flat YAML files. A text in memory and the same from a file, document by document, yield the
 * same documents or are both refused; no key stands twice; whatever nests is passed over, joined or refused,
 * and otherwise nothing changes by that. */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "yaml/yaml_read.h"

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_section(const struct yaml_section *a, const struct yaml_section *b)
{
    if (a->num_pairs != b->num_pairs)
        return false;
    for (size_t i = 0; i < a->num_pairs; i++) {
        if (!same_text(a->pairs[i].key, b->pairs[i].key) ||
            !same_text(a->pairs[i].value, b->pairs[i].value) || a->pairs[i].is_list != b->pairs[i].is_list)
            return false;
    }
    return true;
}

static void check_section(const struct yaml_section *section, enum yaml_nested nested)
{
    PROMISE(section->num_pairs <= YAML_KEYS_MAX && section->line >= 1);
    for (size_t i = 0; i < section->num_pairs; i++) {
        const struct yaml_pair *pair = &section->pairs[i];
        PROMISE(pair->key && pair->line >= section->line);
        PROMISE(pair->value || nested != YAML_NESTED_REFUSE);
        PROMISE(!pair->is_list || nested == YAML_NESTED_JOIN);
        PROMISE(same_text(yaml_get(section, pair->key), pair->value));
    }
}

struct other_reading {
    const struct yaml_file *expected; /* NULL: refused in the end */
    size_t num;
};

static result compare(void *context, struct yaml_section *section)
{
    struct other_reading *other = context;
    if (other->expected) {
        PROMISE(other->num < other->expected->num_sections);
        PROMISE(same_section(section, &other->expected->sections[other->num]));
    }
    other->num++;
    return RESULT_OK;
}

static void try_nested(int fd, const char *text, size_t size, enum yaml_nested nested)
{
    AUTO(yaml_file) file = {0};
    bool accepted = fuzz_accepted(yaml_read(&file, text, size, nested));
    struct other_reading other = {accepted ? &file : NULL, 0};
    PROMISE(accepted || file.num_sections == 0);
    for (size_t i = 0; i < file.num_sections; i++)
        check_section(&file.sections[i], nested);
    PROMISE(lseek(fd, 0, SEEK_SET) == 0);
    result r = yaml_read_documents(fd, YAML_LENGTH_MAX, nested, compare, &other);
    PROMISE(fuzz_accepted(r) == accepted);
    PROMISE(!accepted || other.num == file.num_sections);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    PROMISE(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    fuzz_forget_reason();
    try_nested(fd, (const char *)data, size, YAML_NESTED_REFUSE);
    try_nested(fd, (const char *)data, size, YAML_NESTED_IGNORE);
    try_nested(fd, (const char *)data, size, YAML_NESTED_JOIN);
    return 0;
}
