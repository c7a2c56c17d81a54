# cmake -DSOURCE=file -DSYMBOL=name -DTARGET=file.c -P embed.cmake: the bytes of a file as C (ns_embed of module.cmake).
file(READ ${SOURCE} digits HEX)
string(LENGTH "${digits}" length)
math(EXPR length "${length} / 2")
string(REGEX REPLACE "(................................)" "\\1\n" digits "${digits}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" digits "${digits}")
string(REGEX REPLACE "([^\n]+)" "    \"\\1\"" digits "${digits}")
file(WRITE ${TARGET} "#include <stddef.h>
extern const char ${SYMBOL}[];
extern const size_t ${SYMBOL}_len;
const char ${SYMBOL}[] =
${digits};
const size_t ${SYMBOL}_len = ${length};
")
