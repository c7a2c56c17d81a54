/* loader_report.h - what goes to the keeper: keys in batches, TLS material, failures, the end. */
#ifndef LOADER_REPORT_H
#define LOADER_REPORT_H

#include "ipc/ipc.h"
#include "loader_pool.h"

struct loader_report {
    int socket;
    struct secret packet; /* the packet being made; holds secrets, so wiped after each */
    struct loader_job *batch[IPC_LOADED_KEYS_MAX]; /* borrowed */
    uint32_t num_batch;
    uint64_t sent_ns; /* when the last one went out */
    void *seen;       /* tsearch(3) tree of the public keys so far, borrowed from their jobs */
    uint32_t keys, failed;
    bool has_tls, has_store_key;
    bool tells_origins;       /* KEY_INFO with each key */
    struct ipc_counts counts; /* by the sources that loader_report_count has named */
};
void loader_report_cleanup(struct loader_report *report);

must_check result loader_report_open(struct loader_report *report, int socket);

/* Reports a job that is done. Its secret is wiped as soon as it has been sent; the job must stay
 * where it is until the report is cleaned up. A key that came before is logged and left out. */
must_check result loader_report_job(struct loader_report *report, struct loader_job *job);

/* Jobs that are counted as of this source will come; in ascending order. */
void loader_report_count(struct loader_report *report, enum ipc_source source);

must_check result loader_report_tls(struct loader_report *report, struct loader_tls *tls);

/* E_INPUT unless it has the length of one. Takes it over. */
must_check result loader_report_store_key(struct loader_report *report, struct secret *key);

/* Sends what is left, and LOAD_END. */
must_check result loader_report_end(struct loader_report *report);

#endif
