/* ctime_seen.c - whether the tests of this folder could fail: with a word, a branch on a secret or an address
 * made of one. Without, the same work in constant time. */
#include <string.h>

#include "ctime.h"

static volatile int sum;

int main(int argc, char *argv[])
{
    static const int numbers[256] = {[3] = 5};
    const char *kind = argc > 1 ? argv[1] : "";
    unsigned char byte = 3;
    ctime_begin();
    ctime_secret(&byte, 1);
    if (strcmp(kind, "branch") == 0 && byte > 2)
        sum += 5;
    else if (strcmp(kind, "address") == 0)
        sum += numbers[byte];
    sum ^= byte;
    return 0;
}
