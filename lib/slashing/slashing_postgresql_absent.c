/* slashing_postgresql_absent.c - slashing_postgresql.h where libpq is left out (NS_POSTGRESQL=OFF).
 *
 * The enclave's courier is linked with this: its store is DynamoDB, and libpq would bring Kerberos and LDAP
 * into the image. Rejected: conditions in the courier, of which each test would have to know. */
#include "slashing/slashing_postgresql.h"

void slashing_postgresql_forget_environment(void)
{
}

result slashing_postgresql_open(struct slashing_store **ret_store,
                                struct slashing_postgresql_settings *settings)
{
    (void)ret_store;
    (void)settings;
    FAIL(E_UNSUPPORTED, "this program was built without PostgreSQL");
}
