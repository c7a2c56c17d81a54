/* ctl_deposit_check.h - deposit data as the staking launchpad judges them: a file is right or it is refused
 * with the member that is wrong. */
#ifndef CTL_CTL_DEPOSIT_CHECK_H
#define CTL_CTL_DEPOSIT_CHECK_H

#include "ctl_deposit.h"
#include "json/json.h"

enum { CTL_DEPOSITS_MAX = 131072, CTL_DEPOSITS_FILE_MAX = 256 << 20 };

/* Checks one datum; network NULL: the built-in one that it names. E_INPUT or E_MISMATCH names the member; the
 * signature is verified under the network's DOMAIN_DEPOSIT. */
must_check result ctl_deposit_check(struct ctl_deposit *ret_deposit, const struct json_view *datum,
                                    const struct eth2_network *network);

/* A whole list, not empty, each public key once; elements are named "[3].signature". see, unless NULL, is
 * called with each that is right. */
typedef result ctl_see_deposit(void *context, const struct ctl_deposit *deposit);
must_check result ctl_deposits_check(const json_t *list, const struct eth2_network *network,
                                     ctl_see_deposit *see, void *context);

#endif
