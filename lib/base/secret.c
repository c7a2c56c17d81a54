/* secret.c - secure-heap allocation with a length beside it.
 *
 * OpenSSL's secure heap gives guard pages at both ends of the arena, mlock, MADV_DONTDUMP
 * and a wipe on free; we add only the refusal to go on where locking failed. Its blocks
 * fall back to the ordinary heap when none was opened, which we refuse too. */
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_io.h"

/* The smallest block handed out: one BLS secret key. */
enum { SMALLEST_BLOCK = 32 };

static size_t opened_size;

result secret_heap_open(size_t heap_size)
{
    int locked = CRYPTO_secure_malloc_init(heap_size, SMALLEST_BLOCK);
    struct rlimit limit = {0};
    if (locked != 1)
        (void)getrlimit(RLIMIT_MEMLOCK, &limit);
    ENSURE(locked == 1, E_MEMORY,
           "cannot lock %zu bytes of memory for secrets: RLIMIT_MEMLOCK is %llu; raise it (ulimit -l, in "
           "KiB; in a "
           "unit LimitMEMLOCK=)",
           heap_size, (unsigned long long)limit.rlim_cur);
    opened_size = heap_size;
    return RESULT_OK;
}

size_t secret_heap_size(void)
{
    return opened_size;
}

static bool can_lock(size_t size)
{
    void *region = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED)
        return false;
    bool locked = mlock2(region, size, MLOCK_ONFAULT) == 0;
    (void)munmap(region, size);
    return locked;
}

result secret_heap_open_up_to(size_t least, size_t most)
{
    size_t heap_size = most;
    while (heap_size > least && !can_lock(heap_size))
        heap_size /= 2;
    return secret_heap_open(heap_size);
}

result secret_new(struct secret *ret_secret, size_t length)
{
    ENSURE(CRYPTO_secure_malloc_initialized(), E_INTERNAL, "the secure heap was not opened");
    uint8_t *data = OPENSSL_secure_zalloc(length + 1);
    ENSURE(data, E_MEMORY, "the secure heap has no %zu bytes left; raise RLIMIT_MEMLOCK (ulimit -l)", length);
    *ret_secret = (struct secret){.data = data, .length = length};
    return RESULT_OK;
}

result secret_copy(struct secret *ret_secret, const void *bytes, size_t bytes_len)
{
    TRY(secret_new(ret_secret, bytes_len));
    if (bytes_len)
        memcpy(ret_secret->data, bytes, bytes_len);
    return RESULT_OK;
}

result secret_read_file(struct secret *ret_secret, const char *path, size_t max_length)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ENSURE(fd >= 0, errno == ENOENT ? E_NOT_FOUND : E_IO, "%s: %s", path, strerror(errno));
    struct stat status;
    ENSURE(fstat(fd, &status) == 0, E_IO, "%s: %s", path, strerror(errno));
    /* A pipe or /dev/fd path has no size: take the limit, then cut to what came. */
    size_t room = S_ISREG(status.st_mode) ? (size_t)status.st_size : max_length;
    ENSURE(room <= max_length, E_TOO_LARGE, "%s: more than %zu bytes", path, max_length);

    AUTO(secret) contents = {0};
    TRY(secret_new(&contents, room));
    size_t length = 0;
    result r = file_read_up_to(fd, contents.data, &length, room);
    if (r.code)
        return error_prefix(r, "%s", path);
    secret_truncate(&contents, length);
    *ret_secret = contents;
    contents = (struct secret){0};
    return RESULT_OK;
}

void secret_truncate(struct secret *s, size_t length)
{
    if (length >= s->length)
        return;
    OPENSSL_cleanse(s->data + length, s->length - length);
    s->length = length;
}

void secret_cleanup(struct secret *s)
{
    if (s->data)
        OPENSSL_secure_clear_free(s->data, s->length + 1);
    *s = (struct secret){0};
}

bool secret_equal(const void *a, const void *b, size_t bytes_len)
{
    return CRYPTO_memcmp(a, b, bytes_len) == 0;
}

bool secret_verdict(bool outcome)
{
    return outcome;
}

void secret_wipe(void *bytes, size_t bytes_len)
{
    if (bytes)
        OPENSSL_cleanse(bytes, bytes_len);
}

__attribute__((noinline)) void secret_wipe_stack(void)
{
    uint8_t below[24 << 10]; /* blst's multiplication in G2 goes down 20 KiB */
    secret_wipe(below, sizeof below);
}
