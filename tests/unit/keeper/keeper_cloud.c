/* keeper_cloud.c - see keeper_cloud.h. */
#include "keeper_cloud.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file_io.h"

static pid_t cloud_pid;
static char nsm_address[128], root_path[128];

/* The program says READY=1 as it would to systemd. */
static int open_notify_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        fd_auto_close(&fd);
    return fd;
}

static void run_cloud(const char *folder, const char *notify)
{
    const char *bin = getenv("NS_BIN_DIR");
    char path[4096], state[128], nsm[160], measure[4200];
    (void)snprintf(path, sizeof path, "%s/nitro-signer-devcloud", bin ? bin : ".");
    (void)snprintf(state, sizeof state, "--state=%s/cloud", folder);
    (void)snprintf(nsm, sizeof nsm, "--nsm=%s", nsm_address);
    (void)snprintf(measure, sizeof measure, "--measure=%s/nitro-signer-keeper", bin ? bin : ".");
    (void)setenv("NOTIFY_SOCKET", notify, 1);
    (void)execl(path, path, state, nsm, measure, "--log-level=error", (char *)NULL);
    _exit(127);
}

int cloud_setup(void **state)
{
    char notify[96], message[64];
    if (rig_setup(state) != 0)
        return -1;
    const struct rig *rig = *state;
    (void)snprintf(nsm_address, sizeof nsm_address, "unix:%s/nsm", rig->folder);
    (void)snprintf(root_path, sizeof root_path, "%s/cloud/nsm-root.der", rig->folder);
    (void)snprintf(notify, sizeof notify, "%s/notify", rig->folder);
    AUTO_FD ready = open_notify_socket(notify);
    cloud_pid = fork();
    if (cloud_pid == 0)
        run_cloud(rig->folder, notify);
    struct pollfd wait = {.fd = ready, .events = POLLIN};
    return cloud_pid > 0 && poll(&wait, 1, 20000) == 1 && recv(ready, message, sizeof message, 0) > 0 ? 0
                                                                                                      : -1;
}

void cloud_stop(void)
{
    if (cloud_pid > 0) {
        (void)kill(cloud_pid, SIGKILL);
        (void)waitpid(cloud_pid, NULL, 0);
    }
    cloud_pid = 0;
}

int cloud_teardown(void **state)
{
    cloud_stop();
    return rig_teardown(state);
}

void cloud_start(struct rig *rig)
{
    rig_start(rig, "enclave", nsm_address);
}

struct ipc_policy_result cloud_policy(struct rig *rig)
{
    static uint8_t packet[IPC_PACKET_MAX];
    struct ipc_policy_result answer;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    buffer_cleanup(&rig->policy_text);
    assert_ok(policy_format(&rig->policy_text, &rig->policy));
    ipc_pack_bytes_message(&p, IPC_POLICY,
                           (struct ipc_bytes){rig->policy_text.data, (uint32_t)rig->policy_text.length});
    rig_send(rig->courier, &p);
    rig_expect(rig, rig->courier, IPC_POLICY_RESULT);
    assert_ok(ipc_take_policy_result(&answer, &rig->message));
    return answer;
}

void cloud_boot(struct rig *rig)
{
    cloud_start(rig);
    assert_true(cloud_policy(rig).accepted);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
}

struct ipc_policy_result cloud_access(struct rig *rig, const char *text, size_t text_len)
{
    static uint8_t packet[IPC_PACKET_MAX];
    struct ipc_policy_result answer;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_bytes_message(&p, IPC_ACCESS, (struct ipc_bytes){(const uint8_t *)text, (uint32_t)text_len});
    rig_send(rig->courier, &p);
    rig_expect(rig, rig->courier, IPC_POLICY_RESULT);
    assert_ok(ipc_take_policy_result(&answer, &rig->message));
    return answer;
}

void cloud_send_empty(int socket, enum ipc_type type)
{
    uint8_t packet[16];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_empty(&p, type);
    rig_send(socket, &p);
}

struct ipc_status cloud_status(struct rig *rig)
{
    struct ipc_status status;
    cloud_send_empty(rig->courier, IPC_STATUS_WANTED);
    rig_expect(rig, rig->courier, IPC_STATUS);
    assert_ok(ipc_take_status(&status, &rig->message));
    return status;
}

void cloud_verify(struct attestation *ret_attestation, struct ipc_bytes document)
{
    AUTO(buffer) root = {0};
    assert_true(document.length > 0);
    assert_ok(file_read(&root, root_path, 4096));
    assert_ok(attestation_verify(ret_attestation, document.data, document.length, root.data, root.length,
                                 clock_realtime_ms()));
}

void cloud_attest(struct rig *rig, struct attestation *ret_attestation, enum ipc_attest_purpose purpose,
                  const char *nonce)
{
    uint8_t packet[600];
    struct ipc_bytes document;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_attest(&p, &(struct ipc_attest){purpose, {(const uint8_t *)nonce, (uint32_t)strlen(nonce)}});
    rig_send(rig->courier, &p);
    rig_expect(rig, rig->courier, IPC_DOCUMENT);
    assert_ok(ipc_take_bytes_message(&document, &rig->message, ATTESTATION_DOCUMENT_MAX));
    cloud_verify(ret_attestation, document);
    assert_int_equal(ret_attestation->nonce.present, nonce[0] != 0);
    assert_int_equal(ret_attestation->nonce.length, strlen(nonce));
    assert_memory_equal(ret_attestation->nonce.bytes, nonce, strlen(nonce));
}

void cloud_load_begin(struct rig *rig, bool add)
{
    uint8_t packet[16];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_load_begin(&p, add);
    rig_send(rig->courier, &p);
    struct ipc_state state;
    rig_expect(rig, rig->supervisor, IPC_STATE);
    assert_ok(ipc_take_state(&state, &rig->message));
    assert_int_equal(state.state, IPC_LOAD_STATE);
    rig_take_loader(rig);
    rig_expect(rig, rig->loader, IPC_RECIPIENT_KEY);
}

void cloud_records(struct rig *rig, uint32_t num_records)
{
    static uint8_t packet[IPC_RECORD_MAX + 64], sent[IPC_RECORD_MAX + 64];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    for (uint32_t i = 0; i < num_records; i++) {
        p.length = 0;
        ipc_pack_record(&p, &(struct ipc_record){IPC_RECORD_VALIDATOR, i, {sent, 100 + i}, NULL});
        rig_send(rig->courier, &p);
        rig_expect(rig, rig->loader, IPC_RECORD);
        assert_memory_equal(rig->packet, packet, p.length);
    }
    uint32_t records;
    p.length = 0;
    ipc_pack_load_end(&p, num_records);
    rig_send(rig->courier, &p);
    rig_expect(rig, rig->loader, IPC_LOAD_END);
    assert_ok(ipc_take_load_end(&records, &rig->message));
    assert_int_equal(records, num_records);
}

void cloud_load_tls(struct rig *rig)
{
    uint8_t packet[128];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    struct ipc_tls tls = {
        .private_key = {(const uint8_t *)"private", 7},
        .certificates = {(const uint8_t *)CLOUD_CERTIFICATES, sizeof CLOUD_CERTIFICATES - 1}};
    memcpy(tls.spki_digest, CLOUD_SPKI_DIGEST, sizeof tls.spki_digest);
    ipc_pack_tls(&p, &tls);
    rig_send(rig->loader, &p);
}

struct ipc_load_result cloud_load_result(struct rig *rig)
{
    struct ipc_load_result answer;
    rig_expect(rig, rig->courier, IPC_LOAD_RESULT);
    assert_ok(ipc_take_load_result(&answer, &rig->message));
    return answer;
}

void cloud_expect_reload(struct rig *rig, uint32_t count)
{
    struct ipc_keys keys = {0};
    for (uint32_t seen = 0; !keys.last; seen += keys.num_keys) {
        rig_expect(rig, rig->front, IPC_KEYS);
        assert_ok(ipc_take_keys(&keys, &rig->message));
        assert_int_equal(keys.first, seen == 0);
        assert_int_equal(keys.last, seen + keys.num_keys == count);
    }
    rig_expect(rig, rig->front, IPC_HEALTH);
}

void cloud_first_load(struct rig *rig, uint32_t first, uint32_t count)
{
    uint8_t packet[16];
    cloud_load_begin(rig, false);
    cloud_records(rig, count + 1);
    cloud_load_tls(rig);
    rig_load_keys(rig, first, count);
    rig_loader_end(rig, count, 0);
    rig_expect(rig, rig->front, IPC_SETTINGS);
    if (rig->policy.has_access)
        rig_expect(rig, rig->front, IPC_ACCESS);
    rig_expect(rig, rig->front, IPC_TLS);
    cloud_expect_reload(rig, count);
    rig_expect(rig, rig->front, IPC_SERVE);
    rig_expect_silence(rig->courier); /* not before the front listens */
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_listening(&p, 0);
    rig_send(rig->front, &p);
    rig_expect_state(rig, IPC_SERVE_STATE, count, 0);
    struct ipc_load_result answer = cloud_load_result(rig);
    assert_true(answer.ok && answer.keys == count && answer.failed == 0 && answer.text.length == 0);
}
