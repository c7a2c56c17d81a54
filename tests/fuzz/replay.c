/* replay.c - a fuzz target without a fuzzer: each file of the command line is one input. */
#include <string.h>

#include "base/file_io.h"
#include "fuzz.h"

int main(int argc, char *argv[])
{
    for (int i = 1; i < argc; i++) {
        AUTO(buffer) file = {0};
        if (file_read(&file, argv[i], 1 << 24).code) {
            (void)fprintf(stderr, "%s\n", error_text());
            return 1;
        }
        /* Of exactly its length, so that a sanitizer sees a read behind it. */
        uint8_t *input = malloc(file.length ? file.length : 1);
        PROMISE(input);
        if (file.length > 0)
            memcpy(input, file.data, file.length);
        (void)LLVMFuzzerTestOneInput(input, file.length);
        free(input);
    }
    (void)printf("%d inputs\n", argc - 1);
    return argc > 1 ? 0 : 1;
}
