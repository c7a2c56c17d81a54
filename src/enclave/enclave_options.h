/* enclave_options.h - what nitro-signer-enclave can be told, and the two ways of telling it: arguments, and,
 * for PID 1 of a machine, words of the kernel's command line (PROTOCOL.control section 9).
 */
#ifndef ENCLAVE_ENCLAVE_OPTIONS_H
#define ENCLAVE_ENCLAVE_OPTIONS_H

#include <stdint.h>

#include "base/log.h"
#include "base/result.h"

enum {
    ENCLAVE_COMMAND_LINE_MAX = 4096,
    ENCLAVE_WORDS_MAX = 32,
    ENCLAVE_ADDRESS_MAX = 32,
    ENCLAVE_PARENT_CID = 3,
    ENCLAVE_AUTHORITY_MAX = 1400 /* bytes of DER: more does not fit on a command line of 2,047 */
};

struct enclave_options {
    const char *control, *https, *nsm, *kms_via, *dynamodb_via;
    const char *kms_endpoint, *dynamodb_endpoint, *ca_file, *log, *metrics; /* NULL: not given, none */
    const char *authority; /* base64 of DER; NULL: not given */
    uint32_t parent_cid;
    uint32_t signing_threads; /* 0: not given */
    struct log_options log_options;
    bool drop_privileges;
    char kms_address[ENCLAVE_ADDRESS_MAX], dynamodb_address[ENCLAVE_ADDRESS_MAX],
        log_address[ENCLAVE_ADDRESS_MAX]; /* the defaults that follow parent_cid; the pointers above may point
                                             here */
};

/* Every default in place, those of PID 1 or those of a plain supervisor. The struct must not be moved
 * afterwards. */
void enclave_options_default(struct enclave_options *ret_options, bool is_pid_1);

/* Reads arguments on top of the defaults; they are pointed to, not copied. Whatever was read before a mistake
 * is in place, so that even a PID 1 that was told nonsense may know where its log goes. E_INPUT names the
 * option. */
must_check result enclave_options_parse(struct enclave_options *options, int argc, char *const argv[]);

/* Arguments made of the words nitro_signer.NAME=VALUE of a command line; argv[0] is the program. */
struct enclave_words {
    char text[ENCLAVE_COMMAND_LINE_MAX + 4 * ENCLAVE_WORDS_MAX];
    char *argv[ENCLAVE_WORDS_MAX + 2];
    int argc;
};

/* E_INPUT for a word without a value, for a NAME that is no option or stands there twice, and for quotation
 * marks and control bytes in a VALUE; E_TOO_LARGE for a longer line than ENCLAVE_COMMAND_LINE_MAX or more
 * words of ours than ENCLAVE_WORDS_MAX. The words before the mistake are there. Other words are the kernel's
 * or nobody's. The struct must not be moved afterwards. */
must_check result enclave_options_words(struct enclave_words *ret_words, const char *line, size_t line_len);

/* Writes the authority as a PEM file (mode 0644) and has ca_file name it; nothing without one. E_INPUT when
 * it is not the base64 of exactly one X.509 certificate. The path is kept, not copied. */
must_check result enclave_options_write_authority(struct enclave_options *options, const char *path);

#endif
