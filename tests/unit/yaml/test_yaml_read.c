/* test_yaml_read.c - lib/yaml. */
#include "testing.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file_io.h"
#include "base/secret.h"
#include "yaml/yaml_read.h"

static result read_text(struct yaml_file *ret_file, const char *text, enum yaml_nested nested)
{
    return yaml_read(ret_file, text, strlen(text), nested);
}

static void several_documents(void **state)
{
    (void)state;
    AUTO(yaml_file) file = {0};
    assert_ok(
        read_text(&file,
                  "# comment\n---\ntype: \"file-raw\"\nprivateKey: 0x25295f\n---\n---\ntype: file-keystore\n"
                  "keyType: 'BLS'\nempty:\nkeystoreFile: \"a b.json\"\n...\n",
                  YAML_NESTED_REFUSE));
    assert_int_equal(file.num_sections, 2);
    assert_string_equal(yaml_get(&file.sections[0], "type"), "file-raw");
    assert_string_equal(yaml_get(&file.sections[0], "privateKey"), "0x25295f");
    assert_null(yaml_get(&file.sections[0], "keyType"));
    assert_string_equal(yaml_get(&file.sections[1], "keyType"), "BLS");
    assert_string_equal(yaml_get(&file.sections[1], "keystoreFile"), "a b.json");
    assert_string_equal(yaml_get(&file.sections[1], "empty"), "");
    assert_int_equal(file.sections[0].line, 3);
    assert_int_equal(file.sections[1].pairs[1].line, 8);
    assert_true(CRYPTO_secure_allocated(file.sections[0].pairs[1].value));
}

static void empty_files_have_no_documents(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", "# only a comment\n", "---\n", "---\n---\n"};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        AUTO(yaml_file) file = {0};
        assert_ok(read_text(&file, texts[i], YAML_NESTED_REFUSE));
        assert_int_equal(file.num_sections, 0);
    }
}

static void what_is_not_flat_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {{"- a\n- b\n", "line 1"},
               {"word\n", "line 1"},
               {"a: 1\nb: &x 2\n", "line 2"},
               {"a: &x [1]\n", "anchors"},
               {"a: &x {b: 1}\n", "anchors"},
               {"a: 1\nb: *x\n", "line 2"},
               {"a: !!str 1\n", "tags"},
               {"!<file-raw>\na: 1\n", "tags"},
               {"a: 1\nb: 2\na: 3\n", "line 3: this key stands twice"},
               {"a: \"x\\0y\"\n", "NUL"},
               {"a: \"unclosed\n", "malformed"},
               {"a: b: c\n", "malformed"},
               {"\ta: 1\n", "malformed"},
               {"{a: 1\n", "malformed"},
               {"[a, b]: 1\n", "a key must be"},
               {"? {a: b}\n: 1\n", "a key must be"},
               {"a: 1\n--- x\n", "line 2"},
               {"a: \xff\n", "malformed"}};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        AUTO(yaml_file) file = {0};
        result r = read_text(&file, bad[i].text, YAML_NESTED_IGNORE);
        if (r.code != E_INPUT || !strstr(error_text(), bad[i].says))
            fail_msg("%s gave %s: %s", bad[i].text, error_name(r.code), error_text());
    }
    AUTO(yaml_file) file = {0};
    assert_fails(E_INPUT, yaml_read(&file, "a: 1\0b: 2", 9, YAML_NESTED_REFUSE));
}

static void nested_values_are_the_callers_choice(void **state)
{
    (void)state;
    const char *text = "before: 1\nlist:\n  - {EPOCH: 1, MAX: 2}\n  - [3]\nafter: 2\n";
    AUTO(yaml_file) file = {0};
    assert_fails(E_INPUT, read_text(&file, text, YAML_NESTED_REFUSE));
    assert_error_names("line 3");
    assert_ok(read_text(&file, text, YAML_NESTED_IGNORE));
    assert_int_equal(file.sections[0].num_pairs, 3);
    assert_null(yaml_get(&file.sections[0], "list"));
    assert_string_equal(yaml_get(&file.sections[0], "after"), "2");
}

static void limits(void **state)
{
    (void)state;
    AUTO(yaml_file) file = {0};
    AUTO(buffer) b = {0};
    assert_ok(buffer_append_text(&b, "a: "));
    for (int i = 0; i < 2 * YAML_DEPTH_MAX; i++)
        assert_ok(buffer_append_text(&b, "["));
    for (int i = 0; i < 2 * YAML_DEPTH_MAX; i++)
        assert_ok(buffer_append_text(&b, "]"));
    assert_fails(E_INPUT, yaml_read(&file, (char *)b.data, b.length, YAML_NESTED_IGNORE));
    assert_error_names("too deep");
    buffer_cleanup(&b);
    for (int i = 0; i < YAML_EVENTS_MAX; i++)
        assert_ok(buffer_append_text(&b, i ? ",1" : "a: [1"));
    assert_ok(buffer_append_text(&b, "]"));
    assert_fails(E_INPUT, yaml_read(&file, (char *)b.data, b.length, YAML_NESTED_IGNORE));
    assert_error_names("parts");
    buffer_cleanup(&b);
    for (int i = 0; i <= YAML_KEYS_MAX; i++)
        assert_ok(buffer_printf(&b, "k%d: v\n", i));
    assert_fails(E_INPUT, yaml_read(&file, (char *)b.data, b.length, YAML_NESTED_IGNORE));
    assert_error_names("too many keys");
    assert_fails(E_TOO_LARGE, yaml_read(&file, "", (size_t)YAML_LENGTH_MAX + 1, YAML_NESTED_IGNORE));
}

enum { DOCUMENTS = 20000 };

struct counting {
    size_t num_sections, stop_at;
};

static result count_section(void *context, struct yaml_section *section)
{
    struct counting *counting = context;
    char wanted[16];
    (void)snprintf(wanted, sizeof wanted, "%zu", counting->num_sections);
    ENSURE(yaml_get(section, "n") && strcmp(yaml_get(section, "n"), wanted) == 0, E_MISMATCH,
           "another document");
    ENSURE(counting->num_sections != counting->stop_at, E_STATE, "enough");
    counting->num_sections++;
    return RESULT_OK;
}

static int open_with(const struct buffer *text)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(text->data, 1, text->length, file), text->length);
    assert_int_equal(fflush(file), 0);
    int fd = dup(fileno(file));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* More bytes and more parts than one document may have. */
static void a_long_file_is_read_document_by_document(void **state)
{
    (void)state;
    AUTO(buffer) text = {0};
    for (int i = 0; i < DOCUMENTS; i++)
        assert_ok(buffer_printf(&text, "---\nn: %d\nother: [1, 2, 3, 4]\nfiller: %0100d\n", i, 0));
    assert_true(text.length > 2 * (size_t)YAML_LENGTH_MAX && DOCUMENTS * 10 > YAML_EVENTS_MAX);
    AUTO_FD fd = open_with(&text);
    struct counting counting = {.stop_at = SIZE_MAX};
    assert_ok(yaml_read_documents(fd, text.length, YAML_NESTED_IGNORE, count_section, &counting));
    assert_int_equal(counting.num_sections, DOCUMENTS);

    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    counting = (struct counting){.stop_at = 7};
    assert_fails(E_STATE, yaml_read_documents(fd, text.length, YAML_NESTED_IGNORE, count_section, &counting));
    assert_int_equal(counting.num_sections, 7);

    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    counting = (struct counting){.stop_at = SIZE_MAX};
    assert_fails(E_TOO_LARGE,
                 yaml_read_documents(fd, text.length - 1, YAML_NESTED_IGNORE, count_section, &counting));
    assert_error_names("longer than the limit");
}

static void a_document_has_its_limits_in_a_file_too(void **state)
{
    (void)state;
    AUTO(buffer) text = {0};
    assert_ok(buffer_append_text(&text, "n: 0\n---\nn: 1\nfiller: "));
    for (int i = 0; i < YAML_LENGTH_MAX / 1024 + 100; i++)
        assert_ok(buffer_printf(&text, "%01024d", 0));
    AUTO_FD fd = open_with(&text);
    struct counting counting = {.stop_at = SIZE_MAX};
    assert_fails(E_TOO_LARGE,
                 yaml_read_documents(fd, SIZE_MAX, YAML_NESTED_IGNORE, count_section, &counting));
    assert_error_names("a document is longer");
    assert_int_equal(counting.num_sections, 1);
    assert_fails(E_IO, yaml_read_documents(-1, SIZE_MAX, YAML_NESTED_IGNORE, count_section, &counting));
}

static void rejected_input_is_not_echoed(void **state)
{
    (void)state;
    static const char *const bad[] = {"hunter2", "hunter2: &a 1", "a: [hunter2", "hunter2: 1\nhunter2: 2",
                                      "a: \"hunter2"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        AUTO(yaml_file) file = {0};
        assert_fails(E_INPUT, read_text(&file, bad[i], YAML_NESTED_REFUSE));
        assert_null(strstr(error_text(), "hunter2"));
    }
}

static void real_network_files(void **state)
{
    (void)state;
    static const struct {
        const char *path, *key, *value;
    } files[] = {{"networks/raw/holesky-config.yaml", "CAPELLA_FORK_VERSION", "0x04017000"},
                 {"networks/raw/gnosis-config.yaml", "PRESET_BASE", "gnosis"}};
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        char path[512];
        vector_path(path, sizeof path, files[i].path);
        AUTO(buffer) text = {0};
        assert_ok(file_read(&text, path, YAML_LENGTH_MAX));
        AUTO(yaml_file) file = {0};
        assert_ok(yaml_read(&file, (char *)text.data, text.length, YAML_NESTED_IGNORE));
        assert_int_equal(file.num_sections, 1);
        assert_string_equal(yaml_get(&file.sections[0], files[i].key), files[i].value);
    }
}

static size_t freed, freed_unwiped;
void __real_free(void *block);
void __wrap_free(void *block);

/* Every free(3) of our own objects, of which libyaml's allocator is a part. */
void __wrap_free(void *block)
{
    const char *bytes = block;
    size_t size = block ? malloc_usable_size(block) : 0;
    freed += block != NULL;
    for (size_t i = 0; i + 4 <= size; i++)
        freed_unwiped += memcmp(bytes + i, "5ec7", 4) == 0;
    __real_free(block);
}

/* A secret of any length, well formed or not, leaves nothing in memory that was given back. */
static void what_is_freed_has_been_wiped(void **state)
{
    (void)state;
    static const char *const forms[][2] = {
        {"key: ", "\n"}, {"key: \"", "\"\nlist: ["}, {"key: \"", ""}, {"", ""}, {"key: |\n  ", "\n"}};
    for (size_t length = 4; length <= 4096; length *= 4) {
        char secret[4097] = "", text[5000];
        for (size_t i = 0; i < length; i += 4)
            memcpy(secret + i, "5ec7", 4);
        for (size_t form = 0; form < ARRAY_LENGTH(forms); form++) {
            AUTO(yaml_file) file = {0};
            freed = freed_unwiped = 0;
            (void)snprintf(text, sizeof text, "%s%s%s", forms[form][0], secret, forms[form][1]);
            (void)!yaml_read(&file, text, strlen(text), YAML_NESTED_REFUSE).code;
            assert_true(freed > 5); /* libyaml does call ours */
            assert_int_equal(freed_unwiped, 0);
        }
    }
}

static void lists_can_be_joined(void **state)
{
    (void)state;
    static const char text[] = "a: [x, \"y z\"]\nb:\n  - only\nc: plain\nd: {e: [f]}\ng: []\n";
    AUTO(yaml_file) file = {0};
    assert_ok(read_text(&file, text, YAML_NESTED_JOIN));
    const struct yaml_pair *pairs = file.sections[0].pairs;
    assert_int_equal(file.sections[0].num_pairs, 5);
    assert_string_equal(pairs[0].value, "x,y z");
    assert_true(pairs[0].is_list && pairs[1].is_list && pairs[4].is_list);
    assert_string_equal(pairs[1].value, "only");
    assert_false(pairs[2].is_list || pairs[3].is_list);
    assert_null(pairs[3].value);
    assert_null(pairs[4].value);
    assert_true(CRYPTO_secure_allocated(pairs[0].value));

    AUTO(yaml_file) bad = {0};
    assert_fails(E_INPUT, read_text(&bad, "a: [x, [y]]\n", YAML_NESTED_JOIN));
    assert_error_names("a part of a list");
    AUTO(buffer) many = {0};
    assert_ok(buffer_append_text(&many, "a: [x"));
    for (size_t i = 1; i < YAML_LIST_MAX; i++)
        assert_ok(buffer_append_text(&many, ",x"));
    AUTO(buffer) more = {0};
    assert_ok(buffer_printf(&more, "%s,x]\n", (const char *)many.data));
    assert_ok(buffer_append_text(&many, "]\n"));
    AUTO(yaml_file) full = {0};
    assert_ok(read_text(&full, (const char *)many.data, YAML_NESTED_JOIN));
    assert_fails(E_INPUT, read_text(&bad, (const char *)more.data, YAML_NESTED_JOIN));
    assert_error_names("more than");
}

int main(void)
{
    if (secret_heap_open(65536).code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_documents),
        cmocka_unit_test(empty_files_have_no_documents),
        cmocka_unit_test(what_is_not_flat_is_refused),
        cmocka_unit_test(nested_values_are_the_callers_choice),
        cmocka_unit_test(lists_can_be_joined),
        cmocka_unit_test(limits),
        cmocka_unit_test(a_long_file_is_read_document_by_document),
        cmocka_unit_test(a_document_has_its_limits_in_a_file_too),
        cmocka_unit_test(rejected_input_is_not_echoed),
        cmocka_unit_test(real_network_files),
        cmocka_unit_test(what_is_freed_has_been_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
