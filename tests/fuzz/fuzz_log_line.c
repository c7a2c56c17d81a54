/* fuzz_log_line.c - lines that an enclave writes, as the host's proxy shows them. Whatever comes, one line
 * goes out, marked as the enclave's; in the formats that are JSON it is a JSON object that says so once. The
 * first byte is the format. */
#include <jansson.h>

#include "fuzz.h"
#include "proxy/proxy_log_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char out[PROXY_LOG_OUT_MAX];
    static const enum log_format formats[] = {LOG_FORMAT_PLAIN, LOG_FORMAT_JSON};
    if (size < 1 || size - 1 > PROXY_LOG_IN_MAX || memchr(data + 1, '\n', size - 1))
        return 0;
    enum log_format format = formats[data[0] % ARRAY_LENGTH(formats)];
    char *text = fuzz_text(data + 1, size - 1);
    size_t length = proxy_log_line(out, format, text, size - 1);
    PROMISE(length >= 1 && length <= sizeof out && memchr(out, '\n', length) == out + length - 1);
    if (format == LOG_FORMAT_PLAIN) {
        PROMISE(length >= 9 && memcmp(out, "enclave: ", 9) == 0);
    } else {
        json_error_t error;
        json_t *root = json_loadb(out, length, 0, &error);
        /* jansson has no numbers of any size. */
        PROMISE(json_is_object(root) || json_error_code(&error) == json_error_numeric_overflow);
        const char *source = json_string_value(json_object_get(root, "source"));
        PROMISE(!root || (source && strcmp(source, "enclave") == 0));
        json_decref(root);
    }
    for (size_t i = 0; i + 1 < length; i++)
        PROMISE((uint8_t)out[i] >= ' ' && out[i] != 0x7f);
    free(text);
    return 0;
}
