/* ctl_verbs.c - the table of verbs put together, and looking things up in it. A verb's options are learnt
 * from the verb itself, which is called with an eye on its ctl_parse; rejected: a second list of them for
 * help. */
#include "ctl_verbs.h"

#include <stdio.h>
#include <string.h>

const struct ctl_noun ctl_nouns[] = {
    {"keys", "validator keys: make, encrypt, upload, list, remove", ctl_verbs_keys},
    {"tls", "the signer's TLS key and certificate", ctl_verbs_tls},
    {"access", "who may connect to an enclave", ctl_verbs_access},
    {"policy", "the policy document and the key policy of KMS", ctl_verbs_policy},
    {"image", "enclave images and their measurements", ctl_verbs_image},
    {"attest", "what an enclave proves of itself", ctl_verbs_attest},
    {"slashing", "the record of what was signed", ctl_verbs_slashing},
    {"service", "the signer on every instance of a stack", ctl_verbs_service},
    {"instances", "the instances of a stack", ctl_verbs_instances},
    {"status", "how the signer is", ctl_verbs_status},
    {"sign-test", "one message of every type, signed and verified", ctl_verbs_sign_test},
};
const size_t ctl_num_nouns = ARRAY_LENGTH(ctl_nouns);

void ctl_verb_name(char out[static CTL_VERB_NAME_MAX], const struct ctl_verb *verb)
{
    (void)snprintf(out, CTL_VERB_NAME_MAX, "%s%s%s", verb->noun, verb->verb ? " " : "",
                   verb->verb ? verb->verb : "");
}

const struct ctl_noun *ctl_noun_find(const char *name)
{
    for (size_t i = 0; i < ctl_num_nouns; i++) {
        if (strcmp(ctl_nouns[i].name, name) == 0)
            return &ctl_nouns[i];
    }
    return NULL;
}

const struct ctl_verb *ctl_verb_find(int *ret_num_words, int num_words, char *const words[])
{
    const struct ctl_noun *noun = num_words > 0 ? ctl_noun_find(words[0]) : NULL;
    for (const struct ctl_verb *verb = noun ? noun->verbs : NULL; verb && verb->run; verb++) {
        if (verb->verb && (num_words < 2 || strcmp(words[1], verb->verb) != 0))
            continue;
        *ret_num_words = verb->verb ? 2 : 1;
        return verb;
    }
    return NULL;
}

void ctl_verb_options(const struct ctl_verb *verb, ctl_see_options *see, void *context)
{
    char name[] = "nitro-signer-ctl";
    char *const words[] = {name, NULL};
    struct ctl_call call = {.argc = 1, .argv = words, .verb = verb, .describe = see, .context = context};
    result r = verb->run(&call);
    (void)r; /* it fails: it was to parse, and nothing else */
}
