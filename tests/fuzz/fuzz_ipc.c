/* fuzz_ipc.c - every message between the processes. What a decoder accepts is written again as the same
 * bytes: there is one form. A packet that ends one byte early or late is refused.
 *
 * An input that begins with 0xff is not a packet but changes to one: which message of the table, then pairs
 * of place and byte. */
#include "fuzz.h"
#include "unit/ipc/ipc_table.h"

enum { CHANGES = 0xff };

static result decode(struct packer *again, const struct table_row *row, const uint8_t *packet, size_t length)
{
    struct ipc_message m;
    TRY(ipc_open(&m, packet, length));
    PROMISE(m.body.left == length - IPC_HEADER_LEN);
    ENSURE(m.type == row->type, E_INPUT, "of another type");
    return row->take(again, &m);
}

static void try_row(const struct table_row *row, const uint8_t *packet, size_t length)
{
    static uint8_t bytes[IPC_PACKET_MAX];
    struct packer again = {.data = bytes, .capacity = sizeof bytes};
    if (!fuzz_accepted(decode(&again, row, packet, length)))
        return;
    PROMISE(pack_end(&again).code == 0 && again.length == length && memcmp(bytes, packet, length) == 0);
}

/* Rows of one type may have decoders of their own: both ways of LOAD_END. */
static void try_packet(const uint8_t *data, size_t size)
{
    struct ipc_message m;
    if (!fuzz_accepted(ipc_open(&m, data, size)))
        return;
    PROMISE(size >= IPC_HEADER_LEN && size <= IPC_PACKET_MAX);
    for (size_t i = 0; i < num_messages; i++) {
        if (messages[i].type == m.type)
            try_row(&messages[i], data, size);
    }
}

static void try_changes(const uint8_t *data, size_t size)
{
    static uint8_t bytes[IPC_PACKET_MAX];
    struct packer p = {.data = bytes, .capacity = sizeof bytes};
    if (size < 1)
        return;
    messages[data[0] % num_messages].pack(&p);
    PROMISE(pack_end(&p).code == 0 && p.length >= IPC_HEADER_LEN);
    for (size_t i = 1; i + 2 < size; i += 3) {
        size_t at = (size_t)data[i] << 8 | data[i + 1];
        bytes[at < p.length ? at : at % p.length] = data[i + 2];
    }
    uint8_t *packet = malloc(p.length + 1);
    PROMISE(packet);
    memcpy(packet, bytes, p.length);
    packet[p.length] = 0;
    try_packet(packet, p.length);
    try_packet(packet, p.length - 1);
    if (p.length < IPC_PACKET_MAX)
        try_packet(packet, p.length + 1);
    free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (pattern[1] == 0) {
        for (size_t i = 0; i < sizeof pattern; i++)
            pattern[i] = (uint8_t)(1 + i * 7 % 251);
    }
    fuzz_forget_reason();
    if (size > 0 && data[0] == CHANGES)
        try_changes(data + 1, size - 1);
    else
        try_packet(data, size);
    return 0;
}
