/* fuzz_key_config.c - Web3Signer's key configuration files. Every document is a source of a kind that has all
 * that its kind needs, or a broken one that says why; read strictly, the file yields the same when none is
 * broken, and an error when one is. */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "fuzz_secret.h"
#include "keystore/key_sources_list.h"

enum { FILE_MAX = 1 << 20 };

static bool ends_inside(const struct key_remote *remote)
{
    const char *last = key_remote_text(remote, KEY_REMOTE_TEXTS - 1);
    return (const uint8_t *)last + strlen(last) < remote->texts.data + remote->texts.length + 1;
}

static bool is_absolute(const char *path)
{
    return path && *path == '/';
}

static void check_remote(const struct key_remote *remote, bool is_vault)
{
    PROMISE(remote && ends_inside(remote));
    PROMISE(*key_remote_text(remote, is_vault ? (unsigned)KEY_VAULT_HOST : (unsigned)KEY_AWS_NAME));
    PROMISE(!is_vault || (*key_remote_text(remote, KEY_VAULT_PATH) && remote->port >= 1));
}

/* Whether it is broken. */
static bool check_source(const struct key_source *source)
{
    PROMISE(source->origin && strcmp(source->origin, "a.yaml") == 0);
    switch (source->kind) {
    case KEY_SOURCE_RAW:
        PROMISE(source->raw.length == BLS_SECRET_LEN);
        break;
    case KEY_SOURCE_KEYSTORE:
        PROMISE(is_absolute(source->keystore_path) && is_absolute(source->password_path));
        break;
    case KEY_SOURCE_AWS:
    case KEY_SOURCE_VAULT:
        check_remote(source->remote, source->kind == KEY_SOURCE_VAULT);
        break;
    case KEY_SOURCE_BROKEN:
        PROMISE(source->error != E_NONE && source->failure && *source->failure);
        break;
    }
    return source->kind == KEY_SOURCE_BROKEN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    AUTO(key_sources) lenient = {0}, strict = {0};
    struct key_config config = {.path = path, .folder = "/keys", .name = "a.yaml", .file_max = FILE_MAX};
    if (fd < 0) {
        fuzz_open_secret_heap();
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    PROMISE(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    fuzz_forget_reason();
    PROMISE(key_config_read(&lenient, &config).code == 0);
    bool broken = false;
    for (size_t i = 0; i < lenient.num_items; i++)
        broken |= check_source(&lenient.items[i]);
    config.strict = true;
    PROMISE(fuzz_accepted(key_config_read(&strict, &config)) == !broken);
    PROMISE(broken || strict.num_items == lenient.num_items);
    return 0;
}
