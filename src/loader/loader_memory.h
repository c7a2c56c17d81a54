/* loader_memory.h - where this process's allocations live. */
#ifndef LOADER_MEMORY_H
#define LOADER_MEMORY_H

#include "base/result.h"

/* OpenSSL's heap wipes what it frees, the secure heap is open, jansson allocates there. Before any
 * other call into OpenSSL. E_MEMORY when memory cannot be locked. */
must_check result loader_memory_open(void);

#endif
