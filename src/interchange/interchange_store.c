/* interchange_store.c - a file is named by an argument; the address of a database, which may hold a password,
 * comes through a pipe: arguments and environment can be read by others. */
#include "interchange_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "interchange_dynamodb.h"
#include "slashing/slashing_postgresql.h"
#include "slashing/slashing_sqlite.h"

enum { ADDRESS_MAX = 16 * 1024, SECURE_HEAP = 64 * 1024 };

/* The three texts: they point into the bytes. */
struct address {
    const char *url, *user, *password;
};

static must_check result read_pipe(struct secret *address, int fd)
{
    struct secret bytes = {0};
    size_t length = 0;
    ssize_t n = 0;
    TRY(secret_new(&bytes, ADDRESS_MAX));
    while (length < ADDRESS_MAX && (n = read(fd, bytes.data + length, ADDRESS_MAX - length)) > 0)
        length += (size_t)n;
    secret_truncate(&bytes, length);
    *address = bytes;
    ENSURE(n >= 0, E_IO, "--database-fd: %s", strerror(errno));
    ENSURE(length < ADDRESS_MAX, E_TOO_LARGE, "--database-fd: the address is too long");
    return RESULT_OK;
}

static must_check result next_text(const char **ret_text, size_t *used, const struct secret *bytes)
{
    const char *text = (const char *)bytes->data + *used;
    const char *end = memchr(text, '\0', bytes->length - *used);
    ENSURE(end, E_INPUT, "--database-fd: a text is missing");
    *used += (size_t)(end - text) + 1;
    *ret_text = text;
    return RESULT_OK;
}

static must_check result parse_address(struct address *ret_address, const struct secret *bytes)
{
    struct address address;
    size_t used = 0;
    TRY(next_text(&address.url, &used, bytes));
    TRY(next_text(&address.user, &used, bytes));
    TRY(next_text(&address.password, &used, bytes));
    ENSURE(used == bytes->length, E_INPUT, "--database-fd: something stands behind the address");
    *ret_address = address;
    return RESULT_OK;
}

static must_check result make_settings(struct slashing_postgresql_settings *settings,
                                       const struct secret *bytes)
{
    struct address address = {0};
    TRY(parse_address(&address, bytes));
    result r = slashing_postgresql_parse_url(settings, address.url);
    if (r.code)
        return error_prefix(r, "--slashing-protection-db-url");
    size_t user_length = strlen(address.user);
    ENSURE(user_length < sizeof settings->user, E_TOO_LARGE, "--slashing-protection-db-username: too long");
    if (user_length > 0)
        memcpy(settings->user, address.user, user_length + 1);
    if (address.password[0] != '\0') {
        secret_cleanup(&settings->password);
        TRY(secret_copy(&settings->password, address.password, strlen(address.password)));
    }
    ENSURE(settings->user[0] != '\0', E_INPUT,
           "--slashing-protection-db-username: required, here or in the URL");
    return RESULT_OK;
}

static must_check result open_database(struct slashing_store **ret_store, int fd)
{
    AUTO(slashing_postgresql_settings) settings = {0};
    struct secret bytes = {0};
    TRY(secret_heap_open(SECURE_HEAP));
    slashing_postgresql_forget_environment();
    result r = read_pipe(&bytes, fd);
    if (!r.code)
        r = make_settings(&settings, &bytes);
    secret_cleanup(&bytes);
    (void)close(fd);
    return r.code ? r : slashing_postgresql_open(ret_store, &settings);
}

result interchange_store_open(struct interchange_store *ret_store, const struct interchange_place *place,
                              bool may_create)
{
    if (place->table.name)
        return interchange_dynamodb_open(ret_store, &place->table);
    if (!place->path)
        return open_database(&ret_store->store, place->database_fd);
    ENSURE(may_create || access(place->path, F_OK) == 0, E_NOT_FOUND, "slashing protection store %s: %s",
           place->path, strerror(errno));
    return slashing_sqlite_open(&ret_store->store, place->path);
}

void interchange_store_cleanup(struct interchange_store *store)
{
    slashing_store_close(store->store);
    slashing_seal_cleanup(&store->seal);
}
