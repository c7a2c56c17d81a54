/* enclave_init.c - the boot of the enclave (facts: the AWS init's steps, in its order).
 *
 * The whole file runs only when getpid() == 1; everything else is the same code in the
 * enclave, in tests and on a developer's machine. Rejected: the AWS init as PID 1 with ours as
 * its child; it would be one more binary to measure and build, for these few system calls. */
#include "enclave_init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_io.h"
#include "base/secret.h"
#include "net/net_address.h"
#include "nitro/nitro_nsm.h"

enum { HEARTBEAT_PORT = 9000, HEARTBEAT_BYTE = 0xb7, HEARTBEAT_MS = 5000, ENTROPY_LEN = 256 };

static must_check result mount_one(const char *type, const char *where, unsigned long flags,
                                   const char *options)
{
    ENSURE(mkdir(where, 0755) == 0 || errno == EEXIST, E_IO, "%s: %s", where, strerror(errno));
    /* The kernel may have mounted /dev already (CONFIG_DEVTMPFS_MOUNT). */
    ENSURE(mount(type, where, type, flags, options) == 0 || errno == EBUSY, E_IO, "mount %s: %s", where,
           strerror(errno));
    return RESULT_OK;
}

result enclave_init_mount(void)
{
    const unsigned long strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    TRY(mount_one("devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, NULL));
    TRY(mount_one("proc", "/proc", strict, "hidepid=invisible"));
    TRY(mount_one("sysfs", "/sys", strict | MS_RDONLY, NULL));
    TRY(mount_one("tmpfs", "/run", strict, "mode=0755"));
    return mount_one("tmpfs", "/tmp", strict, "mode=1777");
}

static must_check result bring_up_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ENSURE(fd >= 0, E_IO, "lo: %s", strerror(errno));
    ENSURE(ioctl(fd, SIOCGIFFLAGS, &request) == 0, E_IO, "lo: %s", strerror(errno));
    request.ifr_flags |= IFF_UP;
    ENSURE(ioctl(fd, SIOCSIFFLAGS, &request) == 0, E_IO, "lo: %s", strerror(errno));
    return RESULT_OK;
}

/* nitro-cli waits on the parent's port 9000 for this byte and echoes it. */
static must_check result exchange_heartbeat(uint32_t parent_cid)
{
    const struct net_address parent = {.family = NET_VSOCK, .cid = parent_cid, .port = HEARTBEAT_PORT};
    AUTO_FD fd = -1;
    TRY(net_connect(&fd, &parent, HEARTBEAT_MS));
    int flags = fcntl(fd, F_GETFL);
    ENSURE(flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0, E_IO, "heartbeat: %s",
           strerror(errno));
    uint8_t byte = HEARTBEAT_BYTE;
    TRY(file_write_full(fd, &byte, 1));
    TRY(file_read_full(fd, &byte, 1));
    ENSURE(byte == HEARTBEAT_BYTE, E_PEER, "another byte came back");
    return RESULT_OK;
}

static must_check result send_heartbeat(uint32_t parent_cid)
{
    result r = exchange_heartbeat(parent_cid);
    return r.code ? error_prefix(r, "heartbeat") : r;
}

/* The kernel trusts RDRAND already (random.trust_cpu=on); the NSM is a second, independent source. */
static must_check result add_entropy(const struct nsm *nsm)
{
    struct {
        int bits;
        int length;
        uint8_t bytes[ENTROPY_LEN];
    } pool = {.bits = ENTROPY_LEN * 8, .length = ENTROPY_LEN};
    TRY(nsm_get_random(nsm, pool.bytes, sizeof pool.bytes));
    AUTO_FD fd = open("/dev/random", O_WRONLY | O_CLOEXEC);
    bool added = fd >= 0 && ioctl(fd, RNDADDENTROPY, &pool) == 0;
    secret_wipe(&pool, sizeof pool);
    ENSURE(added, E_IO, "RNDADDENTROPY: %s", strerror(errno));
    return RESULT_OK;
}

/* The number of the first PID name space in every kernel (linux/proc_ns.h); a kernel without name spaces has
 * no link. */
bool enclave_init_is_machine(void)
{
    char text[64] = "";
    ssize_t length = readlink("/proc/self/ns/pid", text, sizeof text - 1);
    return length < 0 || strcmp(text, "pid:[4026531836]") == 0;
}

result enclave_init(const char *where, uid_t nsm_user, uint32_t parent_cid)
{
    ENSURE(getpid() == 1, E_INTERNAL, "only PID 1 boots an enclave");
    TRY(bring_up_loopback());
    TRY(send_heartbeat(parent_cid));
    AUTO(nsm) nsm = {.fd = -1};
    TRY(nsm_open(&nsm, where));
    TRY(add_entropy(&nsm));
    ENSURE(!nsm.is_device || chown(where, nsm_user, nsm_user) == 0, E_IO, "%s: %s", where, strerror(errno));
    return RESULT_OK;
}

_Noreturn void enclave_end(void)
{
    sync();
    (void)reboot(RB_AUTOBOOT);
    _exit(1);
}
