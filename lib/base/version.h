/* version.h - which release this is, and which build of it. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

/* The version of CMakeLists.txt's project(), "0.1.0": the one place that says it. CHANGELOG.md says what
 * changed. */
extern const char version_number[];

enum { VERSION_LINE_MAX = 160 };

/* What --version shows: "PROGRAM 0.1.0 (build 0123456789abcdef...)". The build is the running executable's
 * build id, the linker's digest of all that is in it, or "unknown" where the linker gave none. program ends
 * at a NUL or blank. */
void version_line(char out[static VERSION_LINE_MAX], const char *program);

#endif
