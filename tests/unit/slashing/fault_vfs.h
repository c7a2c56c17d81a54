/* fault_vfs.h - a file system layer for SQLite on which the n-th operation goes wrong. For processes that are
 * given up afterwards. */
#ifndef FAULT_VFS_H
#define FAULT_VFS_H

enum fault_mode {
    FAULT_ERROR,         /* that operation fails (EIO) */
    FAULT_ERROR_FOREVER, /* and all after it */
    FAULT_FULL,          /* no space left; from then on for every write */
    FAULT_SHORT_WRITE,   /* half of the bytes are written, then EIO; operations of other kinds just fail */
    FAULT_LOST_SYNC,     /* if it is a sync: fails, and what it was to make durable never will be; power fails
                            when the process ends */
    FAULT_POWER,         /* the power goes: all that was not synced is lost */
    FAULT_POWER_SECTORS, /* ... of what was not synced, some sectors have reached the disk, in no order */
    FAULT_POWER_LATE,    /* ... all of it has, but the operation itself */
    FAULT_MODES,
    FAULT_LYING_DISK /* the power, and the disk never did what a sync asked: nothing helps against it */
};

/* Makes it SQLite's default. Operations are counted from 1. Power that fails kills the process (SIGKILL)
 * after the files have been made what the disk would hold. Names of files count as durable at once: that is
 * the subject of test_slashing_sqlite.c. */
void fault_vfs_install(enum fault_mode mode, int at, unsigned seed);
/* Whether the operation came, and whether it was of a kind that the mode is about. */
int fault_vfs_happened(void);
/* What a failing power supply leaves, now. Does not return. */
void fault_vfs_power_off(void);

#endif
