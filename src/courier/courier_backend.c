/* courier_backend.c - see courier_backend.h. */
#include "courier_backend.h"

result courier_backend_choose(struct courier_backend *backend,
                              const struct courier_backend_settings *settings, const struct policy *policy)
{
    *backend = (struct courier_backend){.settings = settings};
    switch (policy->store_kind) {
    case POLICY_STORE_NONE:
    case POLICY_STORE_SQLITE:
    case POLICY_STORE_DYNAMODB:
    case POLICY_STORE_POSTGRESQL:
        break;
    }
    FAIL(E_UNSUPPORTED, "%s is no store that the courier can reach", policy->store);
}
