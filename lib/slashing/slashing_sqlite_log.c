/* slashing_sqlite_log.c - whether a write-ahead log that a killed process left has lost records.
 *
 * SQLite reads such a log up to the first frame whose checksum is wrong and silently forgets the rest: right
 * for a transaction that a crash cut short, wrong for a damaged log, whose forgotten records are of
 * signatures that exist. The two can be told apart. A commit is on the disk before the next transaction's
 * first frame is written, so behind a frame that is wrong there can be no sound frame of a later transaction;
 * and a log has a sound header before it has frames. Checksums are chained: each frame is judged from the
 * checksum that the one before it holds. The loss of the last transaction alone cannot be seen. Layout:
 * "WAL-mode File Format" of SQLite's documentation. Rejected: a copy of the records in a second file, which
 * doubles what each signature waits for. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slashing/slashing_sqlite_private.h"

enum {
    LOG_HEADER_LEN = 32,
    LOG_HEADER_SUMMED = 24,
    FRAME_HEADER_LEN = 24,
    FRAME_HEADER_SUMMED = 8,
    PAGE_MIN = 512,
    PAGE_MAX = 65536
};
static const uint32_t log_magic = 0x377f0682; /* the lowest bit set: checksums are of big-endian words */

struct checksum {
    uint32_t first, second;
};

struct log_reader {
    int fd;
    bool big_endian;
    uint32_t page_len;
    uint8_t salts[8];
    uint8_t *frame; /* header and page */
};

struct log_frame {
    bool is_current; /* of this log; what follows the end may be left of an earlier one */
    bool is_commit;  /* the last one of a transaction */
    bool is_sound;   /* current, and the checksum is right behind the frame before it */
    struct checksum stored;
};

static uint32_t get_big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t get_word(const struct log_reader *reader, const uint8_t *bytes)
{
    if (reader->big_endian)
        return get_big_endian(bytes);
    return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
}

static struct checksum checksum_at(const uint8_t *bytes)
{
    return (struct checksum){.first = get_big_endian(bytes), .second = get_big_endian(bytes + 4)};
}

static bool checksum_equal(struct checksum a, struct checksum b)
{
    return a.first == b.first && a.second == b.second;
}

static struct checksum checksum_continue(const struct log_reader *reader, struct checksum sum,
                                         const uint8_t *bytes, size_t bytes_len)
{
    for (size_t i = 0; i + 8 <= bytes_len; i += 8) {
        sum.first += get_word(reader, bytes + i) + sum.second;
        sum.second += get_word(reader, bytes + i + 4) + sum.first;
    }
    return sum;
}

/* Exactly bytes_len bytes from there; *ret_whole says whether the file has as many. */
static must_check result read_at(const struct log_reader *reader, bool *ret_whole, uint8_t *bytes,
                                 size_t bytes_len, off_t at)
{
    size_t have = 0;
    while (have < bytes_len) {
        ssize_t n = pread(reader->fd, bytes + have, bytes_len - have, at + (off_t)have);
        ENSURE(n >= 0, E_STORE, "%s", strerror(errno));
        if (n == 0)
            break;
        have += (size_t)n;
    }
    *ret_whole = have == bytes_len;
    return RESULT_OK;
}

static must_check result read_header(struct log_reader *reader, const uint8_t header[static LOG_HEADER_LEN],
                                     struct checksum *ret_sum)
{
    uint32_t magic = get_big_endian(header);
    uint32_t page_len = get_big_endian(header + 8);
    ENSURE((magic & ~1U) == log_magic, E_STORE, "damaged: not a write-ahead log");
    ENSURE(page_len >= PAGE_MIN && page_len <= PAGE_MAX && (page_len & (page_len - 1)) == 0, E_STORE,
           "damaged: its page size is none");
    reader->big_endian = magic & 1U;
    reader->page_len = page_len;
    memcpy(reader->salts, header + 16, sizeof reader->salts);
    *ret_sum = checksum_at(header + LOG_HEADER_SUMMED);
    struct checksum sum = checksum_continue(reader, (struct checksum){0}, header, LOG_HEADER_SUMMED);
    ENSURE(checksum_equal(sum, *ret_sum), E_STORE, "damaged: the checksum of its header is wrong");
    return RESULT_OK;
}

static struct log_frame judge_frame(const struct log_reader *reader, struct checksum before)
{
    const uint8_t *frame = reader->frame;
    struct log_frame judged = {.stored = checksum_at(frame + 16)};
    struct checksum sum = checksum_continue(reader, before, frame, FRAME_HEADER_SUMMED);
    sum = checksum_continue(reader, sum, frame + FRAME_HEADER_LEN, reader->page_len);
    judged.is_current = memcmp(frame + 8, reader->salts, sizeof reader->salts) == 0;
    judged.is_commit = judged.is_current && get_big_endian(frame + 4) != 0;
    judged.is_sound = judged.is_current && checksum_equal(sum, judged.stored);
    return judged;
}

static must_check result check_frames(const struct log_reader *reader, struct checksum before)
{
    size_t frame_len = FRAME_HEADER_LEN + reader->page_len;
    bool is_broken = false;    /* SQLite stops reading there */
    bool is_committed = false; /* and a transaction ended there or behind */
    for (off_t at = LOG_HEADER_LEN;; at += (off_t)frame_len) {
        bool is_whole = false;
        TRY(read_at(reader, &is_whole, reader->frame, frame_len, at));
        if (!is_whole)
            return RESULT_OK;
        struct log_frame frame = judge_frame(reader, before);
        ENSURE(!(is_committed && frame.is_sound), E_STORE,
               "damaged: records were written behind a place that cannot be read");
        is_broken = is_broken || !frame.is_sound;
        is_committed = is_broken && (is_committed || frame.is_commit);
        before = frame.stored;
    }
}

result slashing_check_log(const char *path)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return RESULT_OK;
    ENSURE(fd >= 0, E_STORE, "%s: %s", path, strerror(errno));
    struct log_reader reader = {.fd = fd};
    uint8_t header[LOG_HEADER_LEN];
    bool is_whole = false;
    struct checksum sum = {0};
    result r = read_at(&reader, &is_whole, header, sizeof header, 0);
    if (!r.code && !is_whole)
        return RESULT_OK; /* nothing was written into it yet */
    if (!r.code)
        r = read_header(&reader, header, &sum);
    if (r.code)
        return error_prefix(r, "%s", path);
    reader.frame = malloc(FRAME_HEADER_LEN + reader.page_len);
    ENSURE(reader.frame, E_MEMORY, "out of memory");
    r = check_frames(&reader, sum);
    free(reader.frame);
    return r.code ? error_prefix(r, "%s", path) : r;
}
