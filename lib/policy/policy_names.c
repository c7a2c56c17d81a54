/* policy_names.c - see policy_names.h.
 *
 * Origins are compared as text, not as Web3Signer's regular expressions: there a dot in a name means any
 * character. What looks like one is therefore no origin. */
#include "policy/policy_names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static must_check result add_name(struct policy_names *list, const char *option, char *name)
{
    ENSURE(list->num_names < POLICY_NAMES_MAX, E_INPUT, "--%s: more than %d names", option, POLICY_NAMES_MAX);
    ENSURE(*name, E_INPUT, "--%s: empty name", option);
    for (char *c = name; *c; c++) {
        ENSURE((uint8_t)*c > ' ' && *c != 0x7f, E_INPUT,
               "--%s: a name has a blank in it: is a comma missing?", option);
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    }
    list->names[list->num_names++] = name;
    return RESULT_OK;
}

/* The name without blanks around it and, an IPv6 address, without the brackets that a Host header has. */
static char *strip(char *name)
{
    name += strspn(name, " \t");
    size_t length = strlen(name);
    while (length > 0 && strchr(" \t", name[length - 1]))
        length--;
    if (length > 2 && name[0] == '[' && name[length - 1] == ']' && memchr(name, ':', length)) {
        name++;
        length -= 2;
    }
    name[length] = 0;
    return name;
}

result policy_names_parse(struct policy_names *ret_list, const char *option, const char *text)
{
    AUTO(policy_names) list = {0};
    list.text = strdup(text);
    ENSURE(list.text, E_MEMORY, "out of memory");
    for (char *at = list.text; at;) {
        char *name = at;
        at = strchr(at, ',');
        if (at)
            *at++ = 0;
        TRY(add_name(&list, option, strip(name)));
    }
    for (size_t i = 0; i < list.num_names; i++) {
        bool any = strcmp(list.names[i], "*") == 0 || strcmp(list.names[i], "all") == 0;
        bool none = strcmp(list.names[i], "none") == 0;
        ENSURE(!(any || none) || list.num_names == 1, E_INPUT, "--%s: * and none stand alone", option);
        list.any = any;
        if (any || none)
            list.num_names = 0;
    }
    *ret_list = list;
    list.text = NULL;
    return RESULT_OK;
}

void policy_names_cleanup(struct policy_names *list)
{
    free(list->text);
    *list = (struct policy_names){0};
}

result policy_origins_parse(struct policy_names *ret_origins, const char *option, const char *text)
{
    AUTO(policy_names) origins = {0};
    TRY(policy_names_parse(&origins, option, text));
    for (size_t i = 0; i < origins.num_names; i++) {
        const char *rest = strstr(origins.names[i], "://");
        ENSURE(rest && rest[3] && !strpbrk(origins.names[i], "\\^$|()*+?{} \t\"") && !strchr(rest + 3, '/'),
               E_INPUT, "--%s: must be origins such as https://example.org:8443, no regular expressions",
               option);
    }
    *ret_origins = origins;
    origins.text = NULL;
    return RESULT_OK;
}

/* The list's own text of it; NULL if it is not there. */
