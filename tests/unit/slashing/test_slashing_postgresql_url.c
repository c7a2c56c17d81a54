/* test_slashing_postgresql_url.c - addresses of databases, and the environment that has no say. */
#include "testing.h"

#include "slashing/slashing_postgresql.h"

static struct slashing_postgresql_settings parsed(const char *url)
{
    struct slashing_postgresql_settings s = {0};
    assert_ok(slashing_postgresql_parse_url(&s, url));
    return s;
}

static void web3signers_form(void **state)
{
    (void)state;
    AUTO(slashing_postgresql_settings) s = parsed("jdbc:postgresql://db.example:5433/web3signer");
    assert_string_equal(s.host, "db.example");
    assert_string_equal(s.port, "5433");
    assert_string_equal(s.database, "web3signer");
    assert_string_equal(s.user, "");
    assert_int_equal(s.password.length, 0);

    AUTO(slashing_postgresql_settings)
    t = parsed(
        "jdbc:postgresql:///a%2Fb?user=me&password=p%26%3D+x&ssl=true&sslrootcert=/ca.pem&connectTimeout=7&"
        "socketTimeout=9");
    assert_string_equal(t.host, "localhost");
    assert_string_equal(t.port, "");
    assert_string_equal(t.database, "a/b");
    assert_string_equal(t.user, "me");
    assert_string_equal((char *)t.password.data, "p&=+x");
    assert_string_equal(t.sslmode, "verify-full");
    assert_string_equal(t.sslrootcert, "/ca.pem");
    assert_int_equal(t.connect_timeout_seconds, 7);
    assert_int_equal(t.statement_timeout_milliseconds, 9000);
}

static void postgresqls_own_form(void **state)
{
    (void)state;
    AUTO(slashing_postgresql_settings)
    s = parsed("postgresql://me%40here:a%3Ab@[::1]:6000/db?sslmode=require&sslcert=/c&sslkey=/k");
    assert_string_equal(s.host, "::1");
    assert_string_equal(s.port, "6000");
    assert_string_equal(s.user, "me@here");
    assert_string_equal((char *)s.password.data, "a:b");
    assert_string_equal(s.sslmode, "require");
    assert_string_equal(s.sslcert, "/c");
    assert_string_equal(s.sslkey, "/k");

    AUTO(slashing_postgresql_settings) t = parsed("postgres://me@/db?host=/run/postgresql");
    assert_string_equal(t.host, "/run/postgresql");
    assert_int_equal(t.password.length, 0);
}

static void what_is_not_understood_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *url, *names;
    } wrong[] = {
        {"mysql://h/d", "jdbc:postgresql://"},
        {"jdbc:postgresql://h", "database"},
        {"jdbc:postgresql://h/", "database"},
        {"jdbc:postgresql://h/?user=a", "database"},
        {"jdbc:postgresql://h1,h2/d", "host"},
        {"jdbc:postgresql://h:0/d", "port"},
        {"jdbc:postgresql://h:65536/d", "port"},
        {"jdbc:postgresql://h:5432x/d", "port"},
        {"jdbc:postgresql://[::1/d", "host"},
        {"jdbc:postgresql://[::1]5/d", "host"},
        {"jdbc:postgresql://h/d?targetServerType=any", "targetServerType"},
        {"jdbc:postgresql://h/d?host=/x", "host"},
        {"jdbc:postgresql://h/d?ssl=maybe", "ssl"},
        {"jdbc:postgresql://h/d?sslmode=maybe", "sslmode"},
        {"jdbc:postgresql://h/d?user=a&user=b", "user"},
        {"jdbc:postgresql://h/d?user=", "user"},
        {"jdbc:postgresql://h/d?password=a&password=b", "password"},
        {"jdbc:postgresql://h/d?password=%zz", "password"},
        {"jdbc:postgresql://h/d?password=a%0", "password"},
        {"jdbc:postgresql://h/d?user=a%00b", "user"},
        {"jdbc:postgresql://h/d?connectTimeout=0", "connectTimeout"},
        {"postgresql://u:p@h/d?password=q", "password"},
        {"postgresql://h/d?ssl=true", "ssl"},
        {"postgres://h", "database"},
        {"postgresql://%zz@h/d", "user"},
        {"postgresql://u@%zz/d", "host"},
        {"postgresql://u@h/%zz", "database"},
        {"jdbc:postgresql://h:%zz/d", "port"},
        {"jdbc:postgresql://h/d?sslmode=require&sslmode=require", "sslmode"},
        {"jdbc:postgresql://h/d?connectTimeout=7&connect_timeout=7", "connect_timeout: given twice"},
        {"jdbc:postgresql://h/d?connectTimeout=%zz", "connectTimeout"},
        {"jdbc:postgresql://h/d?connectTimeout=x", "connectTimeout"},
        {"jdbc:postgresql://h/d?connectTimeout=3601", "connectTimeout"},
        {"jdbc:postgresql://h/d?socketTimeout=7&socketTimeout=7", "socketTimeout: given twice"},
        {"jdbc:postgresql://h/d?user", "user"},
        {"jdbc:postgresql://h/d?a-name-of-more-than-forty-characters-is-cut-off-here",
         "a-name-of-more-than-forty-characters-is-:"},
        {"jdbc:postgresql://h/d?user=a%7f", "user: a control character"},
        {"jdbc:postgresql://h/d?user=a\x7f", "user: a control character"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct slashing_postgresql_settings s = {0};
        assert_fails(E_INPUT, slashing_postgresql_parse_url(&s, wrong[i].url));
        assert_error_names(wrong[i].names);
        assert_int_equal(s.password.length, 0);
    }
}

static void texts_have_their_lengths(void **state)
{
    (void)state;
    char url[512], name[SLASHING_POSTGRESQL_TEXT_MAX + 1];
    memset(name, 'n', sizeof name);
    for (size_t length = SLASHING_POSTGRESQL_TEXT_MAX - 1; length <= SLASHING_POSTGRESQL_TEXT_MAX; length++) {
        AUTO(slashing_postgresql_settings) s = {0};
        (void)snprintf(url, sizeof url, "postgresql://u@h/%.*s", (int)length, name);
        assert_fails(length < SLASHING_POSTGRESQL_TEXT_MAX ? E_NONE : E_TOO_LARGE,
                     slashing_postgresql_parse_url(&s, url));
    }
    struct slashing_postgresql_settings s = {0};
    assert_fails(E_TOO_LARGE, slashing_postgresql_parse_url(&s, "postgresql://u@h:005432/d"));
    assert_error_names("port: too long");
}

/* Digits in either case, and the characters beside them in the alphabet, which are none. */
static void percent_encoding_has_two_digits(void **state)
{
    (void)state;
    AUTO(slashing_postgresql_settings) s = parsed("postgresql://%41%4a%4F%7A@h/d");
    assert_string_equal(s.user, "AJOz");
    static const char wrong[] = "/:@G`g";
    for (size_t i = 0; wrong[i]; i++) {
        for (int first = 0; first < 2; first++) {
            struct slashing_postgresql_settings other = {0};
            char url[64];
            (void)snprintf(url, sizeof url, "postgresql://h/d?user=%%%c%c", first ? wrong[i] : '4',
                           first ? '4' : wrong[i]);
            assert_fails(E_INPUT, slashing_postgresql_parse_url(&other, url));
            assert_error_names("user: not percent encoded");
        }
    }
}

static void ssl_of_java_is_a_mode_unless_one_is_given(void **state)
{
    (void)state;
    static const struct {
        const char *query, *mode;
    } rows[] = {{"ssl=true", "verify-full"},
                {"ssl=", "verify-full"},
                {"ssl", "verify-full"},
                {"ssl=false", ""},
                {"", ""},
                {"ssl=true&sslmode=require", "require"},
                {"sslmode=require&ssl=true", "require"},
                {"user=a&connect_timeout=3600&password=", ""}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char url[128];
        (void)snprintf(url, sizeof url, "jdbc:postgresql://h/d?%s", rows[i].query);
        AUTO(slashing_postgresql_settings) s = parsed(url);
        assert_string_equal(s.sslmode, rows[i].mode);
        assert_int_equal(s.password.length, 0);
    }
}

static void a_wrong_password_is_not_told(void **state)
{
    (void)state;
    struct slashing_postgresql_settings s = {0};
    assert_fails(E_INPUT, slashing_postgresql_parse_url(&s, "postgresql://u:hidden%q@h/d"));
    assert_null(strstr(error_text(), "hidden"));
}

static void the_environment_has_no_say(void **state)
{
    (void)state;
    static const char *const names[] = {"PGHOST", "PGHOSTADDR", "PGSERVICE", "PGPASSWORD", "PGOPTIONS"};
    struct slashing_store *store = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        AUTO(slashing_postgresql_settings) s = parsed("postgresql://u@/d?host=/nowhere");
        assert_int_equal(setenv(names[i], "x", 1), 0);
        assert_fails(E_STATE, slashing_postgresql_open(&store, &s));
        slashing_postgresql_forget_environment();
        assert_null(getenv(names[i]));
        assert_fails(E_STORE, slashing_postgresql_open(&store, &s)); /* now for another reason */
    }
}

static int open_heap(void **state)
{
    (void)state;
    return secret_heap_open(16 * 1024).code;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(web3signers_form),
        cmocka_unit_test(postgresqls_own_form),
        cmocka_unit_test(what_is_not_understood_is_refused),
        cmocka_unit_test(texts_have_their_lengths),
        cmocka_unit_test(percent_encoding_has_two_digits),
        cmocka_unit_test(ssl_of_java_is_a_mode_unless_one_is_given),
        cmocka_unit_test(a_wrong_password_is_not_told),
        cmocka_unit_test(the_environment_has_no_say),
    };
    return cmocka_run_group_tests(tests, open_heap, NULL);
}
