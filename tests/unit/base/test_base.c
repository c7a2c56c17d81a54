/* test_base.c - lib/base. */
#include "testing.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "base/file_io.h"
#include "base/hex.h"
#include "base/options.h"
#include "base/secret.h"
#include "base/secret_allocators.h"
#include "base/secret_text.h"

static void hex_round_trip_of_every_byte(void **state)
{
    (void)state;
    uint8_t all[256], back[256];
    char text[513], expected[3];
    for (unsigned i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    hex_encode(text, all, sizeof all);
    for (unsigned i = 0; i < 256; i++) {
        (void)snprintf(expected, sizeof expected, "%02x", i);
        assert_memory_equal(text + 2 * i, expected, 2);
    }
    assert_ok(hex_decode(back, sizeof back, text, 512));
    assert_memory_equal(back, all, 256);
}

static void hex_refuses_every_foreign_character(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        char text[2] = {(char)c, '0'};
        uint8_t out;
        bool digit = strchr("0123456789abcdefABCDEF", (int)c) && c;
        assert_int_equal(hex_decode(&out, 1, text, 2).code, digit ? E_NONE : E_INPUT);
    }
    uint8_t out[2];
    assert_ok(hex_decode(out, 2, "0xAbCd", 6));
    assert_memory_equal(out, "\xab\xcd", 2);
    assert_fails(E_INPUT, hex_decode(out, 2, "0xabc", 5));
    assert_fails(E_INPUT, hex_decode(out, 2, "0Xabcd", 6));
    assert_fails(E_INPUT, hex_decode(out, 2, "1xabcd", 6));
    assert_fails(E_INPUT, hex_decode(out, 2, "0xab", 4));
    assert_ok(hex_decode(out, 2, "abcd", 4));
    assert_fails(E_INPUT, hex_decode(out, 2, "abc", 3));
    assert_memory_equal(out, "\0\0", 2); /* wiped, as after a foreign character */
}

static void a_sentence_can_be_part_of_the_next(void **state)
{
    (void)state;
    result first = error_set(E_NOT_FOUND, "nobody is there");
    assert_int_equal(first.code, E_NOT_FOUND);
    result second = error_set(E_STORE, "%s", error_text());
    assert_int_equal(second.code, E_STORE);
    assert_string_equal(error_text(), "nobody is there");
    second = error_prefix(second, "the store");
    assert_string_equal(error_text(), "the store: nobody is there");
}

/* OpenSSL's encoder is the oracle. */
static void base64_agrees_with_openssl(void **state)
{
    (void)state;
    uint8_t bytes[100], back[100];
    char ours[200];
    unsigned char theirs[200];
    for (size_t length = 0; length < sizeof bytes; length++) {
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)(i * 37 + length * 11);
        base64_encode(ours, bytes, length);
        assert_int_equal(EVP_EncodeBlock(theirs, bytes, (int)length), (int)strlen(ours));
        assert_string_equal(ours, (char *)theirs);
        size_t back_len;
        assert_ok(base64_decode(back, &back_len, sizeof back, ours, strlen(ours)));
        assert_int_equal(back_len, length);
        assert_memory_equal(back, bytes, length);
    }
}

static void base64_refuses_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {"A",    "AA",   "AAA",  "A===",  "====", "AA=A",
                                      "AB==", "AAB=", "AA A", "AA\nA", "A-_A", "=AAA"};
    uint8_t out[16];
    size_t length;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        if (base64_decode(out, &length, sizeof out, bad[i], strlen(bad[i])).code != E_INPUT)
            fail_msg("accepted %s", bad[i]);
    }
    assert_fails(E_TOO_LARGE, base64_decode(out, &length, 2, "AAAA", 4));
}

static void cursor_never_reads_past_the_end(void **state)
{
    (void)state;
    uint8_t bytes[16];
    struct packer p = {.data = bytes, .capacity = sizeof bytes};
    pack_u8(&p, 1);
    pack_u16(&p, 0x0203);
    pack_u32(&p, 0x04050607);
    pack_u64(&p, 0x08090a0b0c0d0e0f);
    assert_ok(pack_end(&p));
    assert_int_equal(p.length, 15);
    struct cursor c = {bytes, p.length};
    uint8_t a;
    uint16_t b;
    uint32_t d;
    uint64_t e;
    assert_ok(cursor_u8(&c, &a));
    assert_ok(cursor_u16(&c, &b));
    assert_ok(cursor_u32(&c, &d));
    assert_fails(E_INPUT, cursor_end(&c));
    assert_ok(cursor_u64(&c, &e));
    assert_true(a == 1 && b == 0x0203 && d == 0x04050607 && e == 0x08090a0b0c0d0e0f);
    assert_ok(cursor_end(&c));
    assert_fails(E_INPUT, cursor_u8(&c, &a));
    pack_u16(&p, 1);
    assert_fails(E_TOO_LARGE, pack_end(&p));
}

static void secrets_live_in_the_secure_heap_and_are_wiped(void **state)
{
    (void)state;
    AUTO(secret) s = {0};
    assert_ok(secret_copy(&s, "correct horse", 13));
    assert_true(CRYPTO_secure_allocated(s.data));
    uint8_t *where = s.data;
    secret_truncate(&s, 7);
    assert_memory_equal(where, "correct\0\0\0\0\0\0", 13);
    assert_fails(E_MEMORY, secret_new(&(struct secret){0}, 1 << 20));
}

static void openssl_wipes_from_the_start_or_not_at_all(void **state)
{
    (void)state;
    assert_fails(E_INTERNAL, secret_openssl_wipes()); /* the secure heap was made without it */
}

static void first_lines_and_blanks(void **state)
{
    static const struct {
        const char *text;
        size_t length, line;
        bool blank;
    } rows[] = {
        {"", 0, 0, true},
        {"word", 4, 4, false},
        {"two words\nmore", 14, 9, false},
        {"\r\nmore", 6, 0, true},
        {" \t \r\nmore", 9, 3, true},
        {"a\0b\n", 4, 1, false},
        {"\xff\x8a\x8d", 3, 3, false},
        {" x \n", 4, 3, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(secret) text = {0};
        assert_ok(secret_copy(&text, rows[i].text, rows[i].length));
        assert_int_equal(secret_line_length(&text), rows[i].line);
        assert_int_equal(secret_is_blank(text.data, rows[i].line), rows[i].blank);
    }
    assert_true(secret_is_blank("\r\n", 2));
    assert_false(secret_is_blank("\0", 1));
}

static void secret_file_limits(void **state)
{
    (void)state;
    char path[] = "/tmp/ns-test-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "12345", 5), 5);
    (void)close(fd);
    AUTO(secret) s = {0};
    assert_fails(E_TOO_LARGE, secret_read_file(&s, path, 4));
    assert_ok(secret_read_file(&s, path, 5));
    assert_memory_equal(s.data, "12345", 6);
    assert_ok(file_write(path, "new", 3, 0600));
    AUTO(buffer) b = {0};
    assert_ok(file_read(&b, path, 3));
    assert_string_equal((char *)b.data, "new");
    (void)unlink(path);
    assert_fails(E_NOT_FOUND, file_read(&b, path, 3));
}

static void a_replacement_shows_only_when_it_is_whole(void **state)
{
    (void)state;
    char folder[] = "/tmp/ns-test-XXXXXX", path[64], text[4] = "";
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/file", folder);
    {
        AUTO(file_replacement) r = {0};
        assert_ok(file_replace_begin(&r, path, 0600));
        assert_ok(file_replace_write(&r, "abc", 3));
        assert_int_equal(access(path, F_OK), -1);
    }
    assert_int_equal(rmdir(folder), 0); /* nothing was left behind */
    assert_int_equal(mkdir(folder, 0700), 0);
    {
        AUTO(file_replacement) r = {0};
        assert_ok(file_replace_begin(&r, path, 0640));
        assert_ok(file_replace_write(&r, "ab", 2));
        assert_ok(file_replace_write(&r, "c", 1));
        assert_ok(file_replace_commit(&r));
    }
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    AUTO_FD fd = open(path, O_RDONLY);
    assert_ok(file_read_full(fd, text, 3));
    assert_string_equal(text, "abc");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    AUTO(file_replacement) nowhere = {0};
    assert_fails(E_IO, file_replace_begin(&nowhere, path, 0600));
}

static void options_name_the_mistake(void **state)
{
    (void)state;
    const char *text = NULL;
    uint32_t port = 0;
    bool flag = false;
    struct option table[] = {{"text", OPTION_TEXT, &text, "", 0, 0},
                             {"port", OPTION_U32, &port, "", 1, 65535},
                             {"flag", OPTION_FLAG, &flag, "", 0, 0}};
    int next;
    char *good[] = {(char[]){"p"},  (char[]){"--text=a=b"}, (char[]){"--port"},
                    (char[]){"80"}, (char[]){"--flag"},     (char[]){"verb"}};
    assert_ok(options_parse(&next, table, 3, "p", 6, good));
    assert_string_equal(text, "a=b");
    assert_true(port == 80 && flag && next == 5);
    char *spaced[] = {(char[]){"p"},      (char[]){"--flag"}, (char[]){"False"},
                      (char[]){"--text"}, (char[]){"true"},   (char[]){"verb"}};
    assert_ok(options_parse(&next, table, 3, "p", 6, spaced));
    assert_true(!flag && next == 5);
    assert_string_equal(text, "true");
    assert_true(options_has(table, 3, "--port") && options_has(table, 3, "--port=1"));
    assert_false(options_has(table, 3, "port") || options_has(table, 3, "--por") ||
                 options_has(table, 3, "--ports=1"));
    static const char *const bad[] = {"--nope",  "--port=0",     "--port=65536", "--port=+1",
                                      "--port=", "--flag=maybe", "--text"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        char word[32];
        (void)snprintf(word, sizeof word, "%s", bad[i]);
        char *argv[] = {word, word};
        assert_fails(E_INPUT, options_parse(&next, table, 3, "p", 2, argv));
        word[strcspn(word, "=")] = '\0';
        assert_error_names(word);
    }
    uint64_t value;
    assert_ok(parse_u64(&value, "18446744073709551615"));
    assert_true(value == UINT64_MAX);
    assert_fails(E_INPUT, parse_u64(&value, "18446744073709551616"));
}

static void a_choice_is_one_of_the_words_of_its_help(void **state)
{
    (void)state;
    const char *form = "text", *file = NULL;
    struct option table[] = {{"form", OPTION_CHOICE, &form, "text|json how (text)", 0, 0},
                             {"file", OPTION_FILE, &file, "which", 0, 0}};
    int next;
    char shape[32];
    char *good[] = {(char[]){"p"}, (char[]){"--form=json"}, (char[]){"--file=a|b"}};
    assert_ok(options_parse(&next, table, 2, "p", 3, good));
    assert_string_equal(form, "json");
    assert_string_equal(file, "a|b");
    options_shape(shape, sizeof shape, &table[0]);
    assert_string_equal(shape, "--form=text|json");
    assert_string_equal(options_help(&table[0]), "how (text)");
    options_shape(shape, sizeof shape, &table[1]);
    assert_string_equal(shape, "--file=FILE");
    assert_string_equal(options_help(&table[1]), "which");
    static const char *const bad[] = {"--form=", "--form=how", "--form=text|json", "--form=tex",
                                      "--form=jsons"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        char word[32];
        (void)snprintf(word, sizeof word, "%s", bad[i]);
        char *argv[] = {word, word};
        assert_fails(E_INPUT, options_parse(&next, table, 2, "p", 2, argv));
        assert_error_names("--form");
    }
}

int main(void)
{
    if (secret_heap_open(65536).code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_round_trip_of_every_byte),
        cmocka_unit_test(hex_refuses_every_foreign_character),
        cmocka_unit_test(a_sentence_can_be_part_of_the_next),
        cmocka_unit_test(base64_agrees_with_openssl),
        cmocka_unit_test(base64_refuses_malformed),
        cmocka_unit_test(cursor_never_reads_past_the_end),
        cmocka_unit_test(secrets_live_in_the_secure_heap_and_are_wiped),
        cmocka_unit_test(openssl_wipes_from_the_start_or_not_at_all),
        cmocka_unit_test(first_lines_and_blanks),
        cmocka_unit_test(secret_file_limits),
        cmocka_unit_test(a_replacement_shows_only_when_it_is_whole),
        cmocka_unit_test(options_name_the_mistake),
        cmocka_unit_test(a_choice_is_one_of_the_words_of_its_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
