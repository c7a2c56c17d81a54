/* signer_tables.h - every option of nitro-signer as a row, and Web3Signer's that mean nothing here. */
#ifndef SIGNER_SIGNER_TABLES_H
#define SIGNER_SIGNER_TABLES_H

#include "settings/settings.h"

/* The word eth2 and the commands behind it have options of their own. */
enum signer_scope { SCOPE_GLOBAL, SCOPE_ETH2, SCOPE_IMPORT, SCOPE_EXPORT, SCOPE_REPAIR };

/* Targets are members of struct signer_options. */
void signer_tables_fill(struct settings *settings);

#endif
