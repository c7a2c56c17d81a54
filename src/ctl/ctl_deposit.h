/* ctl_deposit.h - the deposit datum of a new validator, in the launchpad's JSON form. */
#ifndef CTL_CTL_DEPOSIT_H
#define CTL_CTL_DEPOSIT_H

#include "base/buffer.h"
#include "bls/bls.h"
#include "eth2/eth2_containers.h"
#include "eth2/eth2_network.h"

/* Withdrawal credentials: type 0x00 of a BLS key, or of an execution address type 0x01, or 0x02, of a
 * validator whose rewards stay with it up to 2048 ETH (EIP-7251). */
must_check result ctl_credentials_of_key(uint8_t ret_credentials[static 32],
                                         const uint8_t pubkey[static BLS_PUBKEY_LEN]);
void ctl_credentials_of_address(uint8_t ret_credentials[static 32],
                                const uint8_t address[static ETH2_ADDRESS_LEN], bool is_compounding);

/* What is signed, and what the deposit contract recomputes. */
struct ctl_deposit {
    struct eth2_deposit_message message;
    uint8_t signature[BLS_SIGNATURE_LEN];
    uint8_t message_root[32], data_root[32];
};

/* Of the message: sets message_root, and gives the root that the signature is over on that network. */
must_check result ctl_deposit_signing_root(uint8_t ret_root[static ETH2_ROOT_LEN],
                                           struct ctl_deposit *deposit, const struct eth2_network *network);
/* Of message and signature. */
void ctl_deposit_data_root(struct ctl_deposit *deposit);

/* Appends a JSON list with the one datum for so many ETH, signed by the validator's key. */
must_check result ctl_deposit_json(struct buffer *out, const struct eth2_network *network,
                                   const uint8_t secret[static BLS_SECRET_LEN],
                                   const uint8_t withdrawal_credentials[static 32], uint32_t eth);

#endif
