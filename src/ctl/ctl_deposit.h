/* ctl_deposit.h - the deposit datum of a new validator, in the launchpad's JSON form. */
#ifndef CTL_CTL_DEPOSIT_H
#define CTL_CTL_DEPOSIT_H

#include "base/buffer.h"
#include "bls/bls.h"
#include "eth2/eth2_containers.h"
#include "eth2/eth2_network.h"

/* Withdrawal credentials: type 0x00 of a BLS key, or type 0x01 of an execution address. */
must_check result ctl_credentials_of_key(uint8_t ret_credentials[static 32],
                                         const uint8_t pubkey[static BLS_PUBKEY_LEN]);
void ctl_credentials_of_address(uint8_t ret_credentials[static 32],
                                const uint8_t address[static ETH2_ADDRESS_LEN]);

/* Appends a JSON list with the one datum for 32 ETH, signed by the validator's key. */
must_check result ctl_deposit_json(struct buffer *out, const struct eth2_network *network,
                                   const uint8_t secret[static BLS_SECRET_LEN],
                                   const uint8_t withdrawal_credentials[static 32]);

#endif
