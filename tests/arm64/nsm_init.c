/* nsm_init.c - the first process of an image under tests/arm64/boot: an emulator of arm64 that has an NSM is
 * not to be had, so it starts devcloud beside what is shipped, as its stand-in, and becomes PID 1 as shipped.
 *
 * Static, since it runs before anything; a program, since the kernel runs no scripts. devcloud gets the
 * keeper's user, as its socket is for its own user only. The stand-in's folder is on the root, over which
 * PID 1 mounts nothing. Whatever fails here ends the machine: the kernel panics. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FOLDER "/stand-in"

enum { KEEPER_USER = 1001, CONSOLE_MAJOR = 5, CONSOLE_MINOR = 1, TRIES = 3000, TRY_NS = 10000000 };

/* The programs of the two ramdisks; tests/arm64/boot/arm64_rig.py measures the same. */
#define MEASURED                                                                                             \
    "/bin/nitro-signer-enclave,/bin/nitro-signer-keeper,/bin/nitro-signer-front,"                            \
    "/bin/nitro-signer-courier,/bin/nitro-signer-loader"

/* What it says goes to the console, which nobody has opened yet. */
static void become_stand_in(void)
{
    char *const environment[] = {NULL};
    if (mknod(FOLDER "/console", S_IFCHR | 0600, makedev(CONSOLE_MAJOR, CONSOLE_MINOR)) != 0)
        _exit(1);
    int fd = open(FOLDER "/console", O_RDWR | O_NOCTTY);
    for (int target = STDIN_FILENO; target <= STDERR_FILENO; target++) {
        if (fd < 0 || dup2(fd, target) != target)
            _exit(1);
    }
    if (setgid(KEEPER_USER) == 0 && setuid(KEEPER_USER) == 0)
        (void)execle(FOLDER "/loader", "loader", "--library-path", FOLDER "/lib",
                     FOLDER "/nitro-signer-devcloud", "--state=" FOLDER "/state", "--nsm=unix:" FOLDER "/nsm",
                     "--measure=" MEASURED, (char *)NULL, environment);
    _exit(1);
}

static int connects(void)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = FOLDER "/nsm"};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    int connected = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    (void)close(fd);
    return connected;
}

int main(void)
{
    const struct timespec pause = {.tv_nsec = TRY_NS};
    pid_t child = fork();
    if (child == 0)
        become_stand_in();
    for (int i = 0; child > 0 && i < TRIES; i++) {
        if (connects()) {
            (void)execl("/init", "/init", (char *)NULL);
            return 1;
        }
        (void)nanosleep(&pause, NULL);
    }
    return 1;
}
