/* result.h - the one way a function says whether it worked.
 *
 * A one-field struct, so that returning an int or a bool by mistake does not compile, and
 * must_check, so that ignoring it warns. TRY passes an error up; ENSURE tests or fails;
 * FAIL fails with a sentence that names what was wrong. Libraries never log: the sentence
 * waits, one per thread, until a program asks for it with error_text().
 */
#ifndef BASE_RESULT_H
#define BASE_RESULT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    int code;
} result;

#define must_check __attribute__((warn_unused_result))

/* Every way to fail. The front maps these to HTTP, the control port to its status. */
enum error_code {
    E_NONE = 0,
    E_INPUT,       /* outside bytes are malformed, ill-typed, too long, or contradict themselves */
    E_TOO_LARGE,   /* over a limit of ours */
    E_NOT_FOUND,   /* a key, a file, an item is not there */
    E_MISMATCH,    /* a signing root, public key or checksum that was sent differs from the computed one */
    E_SLASHABLE,   /* refused by slashing protection */
    E_STORE,       /* the slashing-protection store cannot answer; nothing may be signed */
    E_STATE,       /* not permitted now */
    E_AUTH,        /* a signature, certificate, attestation or password does not verify */
    E_DENIED,      /* the other side understood and refuses (KMS AccessDenied) */
    E_PEER,        /* the other side broke the protocol or closed */
    E_TIMEOUT,     /* no answer in time */
    E_IO,          /* a system call failed; the text has errno */
    E_MEMORY,      /* allocation, or the secure heap is full */
    E_CRYPTO,      /* a library call that cannot fail did */
    E_UNSUPPORTED, /* a valid request for something this build does not do */
    E_INTERNAL     /* our own mistake */
};

#define RESULT_OK ((result){E_NONE})

#define TRY(expression)                                                                                      \
    do {                                                                                                     \
        result try_result_ = (expression);                                                                   \
        if (try_result_.code)                                                                                \
            return try_result_;                                                                              \
    } while (0)

/* Fails with a printf-like sentence when the condition does not hold. */
#define ENSURE(condition, error, ...)                                                                        \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            return error_certain(error_set((error), __VA_ARGS__), (error));                                  \
    } while (0)

#define FAIL(error, ...) return error_certain(error_set((error), __VA_ARGS__), (error))

/* Remembers the sentence (cut at 255 bytes) for this thread and returns the code as a result.
 * Never pass rejected input that could be a secret. */
must_check result error_set(enum error_code code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same result. An analyser looks at one file, and there cannot know that error_set never makes a success
 * of a failure. */
static inline result error_certain(result failed, enum error_code code)
{
#ifdef NS_ANALYSER
    (void)failed;
    return (result){code};
#else
    (void)code;
    return failed;
#endif
}

/* Puts "prefix: " in front of the remembered sentence, so that the caller's context is read first. */
must_check result error_prefix(result failed, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The sentence of this thread's latest failure; never NULL. Valid until the next failure. */
const char *error_text(void);

/* A fixed lower-case name for a code, "input" for E_INPUT; for logs and counters. */
const char *error_name(int code);

/* Clean-up by attribute: AUTO(buffer) b = {0}; calls buffer_cleanup(&b) however the scope is left.
 * Every such struct has an all-zero state in which its clean-up is safe. */
#define AUTO(name) __attribute__((cleanup(name##_cleanup))) struct name

/* The same for a pointer owned by this scope: DEFINE_AUTO_POINTER once per type, then
 * AUTO_POINTER(json_t) root = NULL; */
#define DEFINE_AUTO_POINTER(type, release)                                                                   \
    static inline void type##_auto_release(type **pointer)                                                   \
    {                                                                                                        \
        if (*pointer)                                                                                        \
            release(*pointer);                                                                               \
        *pointer = NULL;                                                                                     \
    }
#define AUTO_POINTER(type) __attribute__((cleanup(type##_auto_release))) type *

/* Hands ownership on: the variable becomes NULL. */
#define TAKE(pointer)                                                                                        \
    __extension__({                                                                                          \
        __typeof__(pointer) taken_ = (pointer);                                                              \
        (pointer) = NULL;                                                                                    \
        taken_;                                                                                              \
    })

/* A file descriptor owned by this scope; the zero state is -1: AUTO_FD fd = -1; */
void fd_auto_close(int *fd);
#define AUTO_FD __attribute__((cleanup(fd_auto_close))) int
/* Hands a descriptor on: the variable becomes -1. */
int fd_take(int *fd);

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#endif
