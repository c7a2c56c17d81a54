/* policy_names.h - lists of hosts and of origins, as options have them: for the front, which compares them,
 * and for nitro-signer, which checks them before anything starts. */
#ifndef POLICY_POLICY_NAMES_H
#define POLICY_POLICY_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/result.h"

enum { POLICY_NAMES_MAX = 64 };

/* Which Host or Origin headers are served: any, or those listed (views into one owned text, lower case). */
struct policy_names {
    bool any;
    char *text;
    const char *names[POLICY_NAMES_MAX];
    size_t num_names;
};

/* Splits the comma-separated list that this option has; "*" or "all" is any, "none" nobody. Blanks around a
 * name do not count, nor do the brackets of an IPv6 address. E_INPUT names the option. */
must_check result policy_names_parse(struct policy_names *ret_names, const char *option, const char *text);
/* The same of origins, each "scheme://host[:port]". */
must_check result policy_origins_parse(struct policy_names *ret_origins, const char *option,
                                       const char *text);
void policy_names_cleanup(struct policy_names *list);

#endif
