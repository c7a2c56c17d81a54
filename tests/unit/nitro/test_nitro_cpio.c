/* test_nitro_cpio.c - manifests that are refused, each for its own reason; an archive, byte for byte. (The
 * cpio tool reads what we write in tests/integration/test_image.py.) */
#include "testing.h"

#include <unistd.h>

#include "base/file_io.h"
#include "nitro/nitro_cpio.h"

#define HEAD NITRO_CPIO_MANIFEST_HEAD

enum { LINE_LEN_MAX = 4096, PIECE = NITRO_CPIO_SIZE_MAX / 2 + 4096 };

/* Large contents are not read and copied but only counted. */
static bool large;

result __wrap_file_read(struct buffer *out, const char *path, size_t limit);
result __real_file_read(struct buffer *out, const char *path, size_t limit);
result __wrap_file_read(struct buffer *out, const char *path, size_t limit)
{
    if (!large)
        return __real_file_read(out, path, limit);
    assert_int_equal(limit, NITRO_CPIO_SIZE_MAX);
    out->length = PIECE;
    return RESULT_OK;
}

result __wrap_buffer_append(struct buffer *b, const void *bytes, size_t bytes_len);
result __real_buffer_append(struct buffer *b, const void *bytes, size_t bytes_len);
result __wrap_buffer_append(struct buffer *b, const void *bytes, size_t bytes_len)
{
    if (!large)
        return __real_buffer_append(b, bytes, bytes_len);
    b->length += bytes_len;
    return RESULT_OK;
}

static result parse(struct nitro_cpio_manifest *ret_manifest, const char *text)
{
    return nitro_cpio_manifest_read(ret_manifest, text, strlen(text));
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *named;
    } wrong[] = {
        {"", "first line"},
        {"nitro-signer-ramdisk 2\n", "first line"},
        {"nitro-signer-ramdisk 1", "first line"},
        {HEAD, "lists nothing"},
        {HEAD "# nothing\n\n", "lists nothing"},
        {HEAD "directory 0755 a", "line 2: does not end"},
        {HEAD "directory 0755 a\n\nfolder 0755 b\n", "line 4: must begin with"},
        {HEAD " directory 0755 a\n", "must begin with"},
        {HEAD "directory\t0755 a\n", "must begin with"},
        {HEAD "directory  0755 a\n", "four octal digits"},
        {HEAD "directory 755 a\n", "four octal digits"},
        {HEAD "directory 00755 a\n", "four octal digits"},
        {HEAD "directory 0785 a\n", "four octal digits"},
        {HEAD "directory\n", "four octal digits"},
        {HEAD "file 4755 a b\n", "set-user-id"},
        {HEAD "file 2755 a b\n", "set-user-id"},
        {HEAD "directory 0755\n", "printable"},
        {HEAD "directory 0755 \n", "blank at the end"},
        {HEAD "directory 0755 a\x80\n", "printable"},
        {HEAD "directory 0755 a\tb\n", "printable"},
        {HEAD "directory 0755 a\x7f\n", "printable"},
        {HEAD "symlink a b\x7f\n", "printable"},
        {HEAD "directory 0755 /a\n", "relative"},
        {HEAD "directory 0755 a/\n", "relative"},
        {HEAD "directory 0755 a//b\n", "relative"},
        {HEAD "directory 0755 .\n", ". or .."},
        {HEAD "directory 0755 ..\n", ". or .."},
        {HEAD "directory 0755 a/../b\n", ". or .."},
        {HEAD "directory 0755 a/./b\n", ". or .."},
        {HEAD "directory 0755 TRAILER!!!\n", "this name"},
        {HEAD "directory 0755 a b\n", "more words"},
        {HEAD "directory 0755 a \n", "blank at the end"},
        {HEAD "file 0755 a\n", "missing"},
        {HEAD "symlink a\n", "missing"},
        {HEAD "symlink a b c\n", "printable"},
        {HEAD "character-device 0600 a\n", "two decimal numbers"},
        {HEAD "character-device 0600 a 5\n", "two decimal numbers"},
        {HEAD "character-device 0600 a 5 x\n", "two decimal numbers"},
        {HEAD "character-device 0600 a 5 12345678\n", "two decimal numbers"},
        {HEAD "block-device 0600 a 5 -1\n", "two decimal numbers"},
        {HEAD "block-device 0600 a 5 1 1\n", "more words"},
        {HEAD "directory 0755 a\nsymlink a b\n", "a is listed twice"},
        {HEAD "file 0755 a/b c\n", "a/b lies in no listed directory"},
        {HEAD "symlink a c\nfile 0755 a/b c\n", "a/b lies in no listed directory"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct nitro_cpio_manifest manifest = {0};
        assert_fails(E_INPUT, parse(&manifest, wrong[i].text));
        assert_error_names(wrong[i].named);
        assert_null(manifest.entries);
    }
    struct nitro_cpio_manifest manifest = {0};
    static const char nul[] = HEAD "directory 0755 a\0b\n";
    assert_fails(E_INPUT, nitro_cpio_manifest_read(&manifest, nul, sizeof nul - 1));
    assert_error_names("NUL");
}

static void test_limits(void **state)
{
    (void)state;
    AUTO(buffer) text = {0};
    struct nitro_cpio_manifest manifest = {0};
    assert_ok(buffer_append_text(&text, HEAD));
    for (unsigned i = 0; i < NITRO_CPIO_ENTRIES_MAX; i++)
        assert_ok(buffer_printf(&text, "directory 0755 d%u\n", i));
    assert_ok(parse(&manifest, (const char *)text.data));
    assert_int_equal(manifest.num_entries, NITRO_CPIO_ENTRIES_MAX);
    nitro_cpio_manifest_cleanup(&manifest);
    assert_ok(buffer_append_text(&text, "directory 0755 e\n"));
    assert_fails(E_TOO_LARGE, parse(&manifest, (const char *)text.data));

    text.length = 0;
    assert_ok(buffer_append_text(&text, HEAD "#"));
    while (text.length < sizeof HEAD - 1 + LINE_LEN_MAX)
        assert_ok(buffer_append_text(&text, "#"));
    assert_ok(buffer_append_text(&text, "\ndirectory 0755 a\n"));
    assert_ok(parse(&manifest, (const char *)text.data));
    nitro_cpio_manifest_cleanup(&manifest);
    text.data[sizeof HEAD - 1 + LINE_LEN_MAX] = '#';
    assert_ok(buffer_append_text(&text, "\n"));
    assert_fails(E_INPUT, parse(&manifest, (const char *)text.data));
    assert_error_names("line 2: is longer");
    while (text.length <= NITRO_CPIO_MANIFEST_MAX)
        assert_ok(buffer_append_text(&text, "\n\n\n\n\n\n\n\n"));
    assert_fails(E_TOO_LARGE, parse(&manifest, (const char *)text.data));
    assert_error_names("the manifest has more than");

    char path[NITRO_CPIO_PATH_MAX + 2], line[512];
    memset(path, 'p', sizeof path);
    path[NITRO_CPIO_PATH_MAX + 1] = 0;
    (void)snprintf(line, sizeof line, HEAD "directory 0755 %s\n", path);
    assert_fails(E_INPUT, parse(&manifest, line));
    (void)snprintf(line, sizeof line, HEAD "directory 0755 %s\n", path + 1);
    assert_ok(parse(&manifest, line));
    nitro_cpio_manifest_cleanup(&manifest);
}

static void test_sorted_whatever_the_order(void **state)
{
    (void)state;
    AUTO(nitro_cpio_manifest) manifest = {0};
    assert_ok(parse(&manifest,
                    HEAD "file 0644 b/a s\nsymlink b.c t\ncharacter-device 0600 a 5 1\ndirectory 0700 b\n"));
    static const char *const paths[] = {"a", "b", "b.c", "b/a"};
    assert_int_equal(manifest.num_entries, ARRAY_LENGTH(paths));
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++)
        assert_string_equal(manifest.entries[i].path, paths[i]);
}

static void test_bytes(void **state)
{
    (void)state;
    char folder[] = "/tmp/ns-cpio-XXXXXX", path[64];
    AUTO(nitro_cpio_manifest) manifest = {0};
    AUTO(buffer) out = {0};
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/the source", folder);
    assert_ok(file_write(path, "hello", 5, 0600));
    assert_ok(parse(&manifest, HEAD "file 0755 init the source\nblock-device 0640 b 259 1048575\n"));
    assert_ok(buffer_append(&out, "???", 3)); /* what is there before does not count for alignment */
    assert_ok(nitro_cpio_write(&out, &manifest, folder));
    static const char expected[] = "???"
                                   "070701000000010000"
                                   "61A0000000000000000000000001000000000000000000000000000000000000010300"
                                   "0FFFFF0000000200000000b\0"
                                   "070701000000020000"
                                   "81ED000000000000000000000001000000000000000500000000000000000000000000"
                                   "0000000000000500000000init\0\0hello\0\0\0"
                                   "0707010000000000000000000000000000000000000001000000000000000000000000000"
                                   "0000000000000000000000000000B00000000"
                                   "TRAILER!!!\0\0\0";
    assert_memory_equal(out.data, expected, sizeof expected - 1);
    assert_int_equal(out.length, 3 + 512);
    for (size_t i = sizeof expected; i < out.length; i++)
        assert_int_equal(out.data[i], 0);
    assert_int_equal(unlink(path), 0);
    assert_fails(E_NOT_FOUND, nitro_cpio_write(&out, &manifest, folder));
    assert_error_names("the source");
    assert_int_equal(rmdir(folder), 0);
}

static void test_every_kind(void **state)
{
    (void)state;
    char folder[] = "/tmp/ns-cpio-XXXXXX", text[512];
    AUTO(nitro_cpio_manifest) manifest = {0};
    AUTO(buffer) out = {0};
    assert_non_null(mkdtemp(folder));
    (void)snprintf(text, sizeof text, "%s/source", folder);
    assert_ok(file_write(text, "", 0, 0600));
    /* A source from the root of this machine, whatever the folder; and names that only look like . and .. */
    (void)snprintf(text, sizeof text,
                   HEAD "file 0600 ...a %s/source\nsymlink .l target\ndirectory 0751 ..d\ncharacter-device "
                        "0620 a.. 5 1\nblock-device 0640 .b 7 0\n",
                   folder);
    assert_ok(parse(&manifest, text));
    assert_ok(nitro_cpio_write(&out, &manifest, "/nonexistent"));
    static const struct {
        const char *path, *mode, *links, *size;
    } expected[] = {{"...a", "00008180", "00000001", "00000000"},
                    {"..d", "000041E9", "00000002", "00000000"},
                    {".b", "000061A0", "00000001", "00000000"},
                    {".l", "0000A1FF", "00000001", "00000006"},
                    {"a..", "00002190", "00000001", "00000000"}};
    size_t at = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
        const char *header = (const char *)out.data + at;
        assert_memory_equal(header, "070701", 6);
        assert_memory_equal(header + 14, expected[i].mode, 8);
        assert_memory_equal(header + 38, expected[i].links, 8);
        assert_memory_equal(header + 54, expected[i].size, 8);
        assert_string_equal(header + 110, expected[i].path);
        at += (110 + strlen(expected[i].path) + 1 + 3) / 4 * 4;
        at += expected[i].size[7] == '6' ? 8 : 0;
    }
    assert_memory_equal(out.data + at, "070701", 6);
    (void)snprintf(text, sizeof text, "%s/source", folder);
    assert_int_equal(unlink(text), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_archives_over_the_limit(void **state)
{
    (void)state;
    AUTO(nitro_cpio_manifest) manifest = {0};
    AUTO(nitro_cpio_manifest) one = {0};
    struct buffer out = {0};
    assert_ok(parse(&manifest, HEAD "file 0600 a s\nfile 0600 b s\n"));
    assert_ok(parse(&one, HEAD "file 0600 a s\n"));
    large = true;
    result r = nitro_cpio_write(&out, &manifest, "/"), r_one = RESULT_OK;
    out.length = 0;
    r_one = nitro_cpio_write(&out, &one, "/");
    large = false;
    assert_int_equal(r.code, E_TOO_LARGE);
    assert_ok(r_one);
    buffer_cleanup(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_sorted_whatever_the_order),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_archives_over_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
