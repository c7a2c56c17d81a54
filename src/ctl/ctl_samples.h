/* ctl_samples.h - one sign request of every type, as a validator client of the network would send it. */
#ifndef CTL_CTL_SAMPLES_H
#define CTL_CTL_SAMPLES_H

#include "base/buffer.h"
#include "eth2/eth2_network.h"

struct ctl_sample_world {
    struct eth2_network network;
    uint8_t genesis_validators_root[ETH2_ROOT_LEN];
    uint64_t epoch;      /* the messages are of this epoch's second slot */
    const char *variant; /* other text, other roots in the messages; the same text gives the same bytes */
    const char *pubkey;  /* 96 hexadecimal digits: the validator */
};

struct ctl_sample {
    const char *type;
    result (*append)(struct buffer *out, const struct ctl_sample_world *world); /* the type's own members */
    bool has_fork_info;
};

extern const struct ctl_sample ctl_samples[];
extern const size_t ctl_num_samples;

/* Appends the whole request body. */
must_check result ctl_sample_body(struct buffer *out, const struct ctl_sample *sample,
                                  const struct ctl_sample_world *world);

#endif
