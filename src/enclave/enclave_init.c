/* enclave_init.c - the boot of the enclave, but for mounts, log and clock.
 *
 * These functions are called only when getpid() == 1; everything else is the same code in the enclave, in
 * tests and on a developer's machine. Rejected: the AWS init as PID 1 with ours as its child; it would be one
 * more binary to measure and build, for these few system calls. */
#include "enclave_init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/random.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file_io.h"
#include "base/secret.h"
#include "net/net_address.h"

enum { HEARTBEAT_PORT = 9000, HEARTBEAT_BYTE = 0xb7, HEARTBEAT_MS = 5000, ENTROPY_LEN = 256 };

/* The number of the first PID name space in every kernel (linux/proc_ns.h); a kernel without name spaces has
 * no link. */
bool enclave_init_is_machine(void)
{
    char text[64] = "";
    ssize_t length = readlink("/proc/self/ns/pid", text, sizeof text - 1);
    return length < 0 || strcmp(text, "pid:[4026531836]") == 0;
}

/* A setting that the kernel was built without needs no closing. */
static must_check result set(const char *path, const char *value)
{
    AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return RESULT_OK;
    ENSURE(fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value), E_IO, "%s: %s", path,
           strerror(errno));
    return RESULT_OK;
}

result enclave_init_harden_kernel(void)
{
    static const char *const settings[][2] = {
        {"/proc/sys/kernel/printk", "4 4 1 4"}, /* the console is slow, and only there while debugging */
        {"/proc/sys/kernel/dmesg_restrict", "1"},
        {"/proc/sys/kernel/kptr_restrict", "2"},
        {"/proc/sys/kernel/sysrq", "0"},
        {"/proc/sys/kernel/core_pattern", "\n"},
        {"/proc/sys/kernel/yama/ptrace_scope", "3"},
        {"/proc/sys/kernel/perf_event_paranoid", "3"},
        {"/proc/sys/kernel/unprivileged_bpf_disabled", "1"},
        {"/proc/sys/kernel/io_uring_disabled", "2"},
        {"/proc/sys/kernel/kexec_load_disabled", "1"},
        {"/proc/sys/kernel/modules_disabled", "1"},
        {"/proc/sys/kernel/panic_on_oops", "1"},
        {"/proc/sys/kernel/randomize_va_space", "2"},
        {"/proc/sys/net/core/bpf_jit_harden", "2"},
        {"/proc/sys/user/max_user_namespaces", "0"},
        {"/proc/sys/vm/mmap_min_addr", "65536"},
        {"/proc/sys/vm/overcommit_memory", "0"},
        {"/proc/sys/vm/unprivileged_userfaultfd", "0"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(settings); i++)
        TRY(set(settings[i][0], settings[i][1]));
    return RESULT_OK;
}

result enclave_init_network(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ENSURE(fd >= 0, E_IO, "lo: %s", strerror(errno));
    ENSURE(ioctl(fd, SIOCGIFFLAGS, &request) == 0, E_IO, "lo: %s", strerror(errno));
    request.ifr_flags |= IFF_UP;
    ENSURE(ioctl(fd, SIOCSIFFLAGS, &request) == 0, E_IO, "lo: %s", strerror(errno));
    return RESULT_OK;
}

/* Credit only where the pool is ours. */
static must_check result stir(const uint8_t *bytes, size_t bytes_len, bool credit)
{
    struct {
        int bits;
        int length;
        uint8_t bytes[ENTROPY_LEN];
    } pool = {.bits = (int)bytes_len * 8, .length = (int)bytes_len};
    AUTO_FD fd = open("/dev/random", O_WRONLY | O_CLOEXEC);
    ENSURE(fd >= 0, E_IO, "/dev/random: %s", strerror(errno));
    memcpy(pool.bytes, bytes, bytes_len);
    bool added =
        credit ? ioctl(fd, RNDADDENTROPY, &pool) == 0 : write(fd, bytes, bytes_len) == (ssize_t)bytes_len;
    int reason = errno;
    secret_wipe(&pool, sizeof pool);
    ENSURE(added, E_IO, "/dev/random: %s", strerror(reason));
    return RESULT_OK;
}

/* The kernel trusts RDRAND already (random.trust_cpu=on); the NSM is a second, independent source. */
result enclave_init_entropy(const struct nsm *nsm, bool is_machine)
{
    uint8_t bytes[ENTROPY_LEN], byte;
    TRY(nsm_get_random(nsm, bytes, sizeof bytes));
    result r = stir(bytes, sizeof bytes, is_machine);
    secret_wipe(bytes, sizeof bytes);
    TRY(r);
    ENSURE(getrandom(&byte, sizeof byte, GRND_NONBLOCK) == sizeof byte, E_IO,
           "the kernel's random numbers are not ready: %s", strerror(errno));
    return RESULT_OK;
}

/* nitro-cli waits on the parent's port 9000 for this byte and echoes it. */
static must_check result exchange_heartbeat(uint32_t parent_cid)
{
    const struct net_address parent = {.family = NET_VSOCK, .cid = parent_cid, .port = HEARTBEAT_PORT};
    AUTO_FD fd = -1;
    TRY(net_connect(&fd, &parent, HEARTBEAT_MS));
    int flags = fcntl(fd, F_GETFL);
    ENSURE(flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0, E_IO, "%s", strerror(errno));
    const struct timeval patience = {.tv_sec = HEARTBEAT_MS / 1000};
    ENSURE(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0, E_IO, "%s",
           strerror(errno));
    uint8_t byte = HEARTBEAT_BYTE;
    TRY(file_write_full(fd, &byte, 1));
    TRY(file_read_full(fd, &byte, 1));
    ENSURE(byte == HEARTBEAT_BYTE, E_PEER, "another byte came back");
    return RESULT_OK;
}

result enclave_init_heartbeat(uint32_t parent_cid)
{
    result r = exchange_heartbeat(parent_cid);
    return r.code ? error_prefix(r, "heartbeat") : r;
}

result enclave_init_drop_capabilities(void)
{
    static const unsigned kept[] = {CAP_KILL,     CAP_SETGID,           CAP_SETUID,
                                    CAP_SETPCAP,  CAP_NET_BIND_SERVICE, CAP_SYS_BOOT,
                                    CAP_SYS_TIME, CAP_SYS_RESOURCE};
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3], left[_LINUX_CAPABILITY_U32S_3] = {{0}};
    ENSURE(syscall(SYS_capget, &header, data) == 0, E_IO, "capabilities: %s", strerror(errno));
    for (size_t i = 0; i < ARRAY_LENGTH(kept); i++) /* a container may have fewer */
        left[CAP_TO_INDEX(kept[i])].permitted |= data[CAP_TO_INDEX(kept[i])].permitted & CAP_TO_MASK(kept[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(left); i++)
        left[i].effective = left[i].permitted;
    ENSURE(syscall(SYS_capset, &header, left) == 0, E_IO, "capabilities: %s", strerror(errno));
    return RESULT_OK;
}

_Noreturn void enclave_init_end(void)
{
    sync();
    (void)reboot(RB_AUTOBOOT);
    _exit(1);
}
