/* loader_sandbox.h - the system calls this process keeps. */
#ifndef LOADER_SANDBOX_H
#define LOADER_SANDBOX_H

#include "base/result.h"

enum loader_sandbox {
    LOADER_SANDBOX_RECORDS, /* no file may be opened */
    LOADER_SANDBOX_FILES,   /* files and folders may be opened for reading */
    LOADER_SANDBOX_MANAGE,  /* and made, renamed and removed */
    LOADER_SANDBOX_PROXY    /* the same, and folders made */
};

/* From here on, for this thread and those it starts: computing, memory, threads of this process, reading
 * and writing what is open, and what the mode adds; anything else as process_sandbox_enter
 * says. Of files and folders those of the settings, where the kernel has Landlock. */
struct loader_settings;
must_check result loader_sandbox_enter(enum loader_sandbox mode, const struct loader_settings *settings);

#endif
