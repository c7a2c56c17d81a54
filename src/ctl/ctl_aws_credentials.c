/* ctl_aws_credentials.c - the chain: a file that was named, the environment, a profile, the instance's role.
 *
 * The first that is there counts; one that is there and wrong ends the search, so that nobody acts with
 * other rights than they think. Roles to assume, single sign-on and programs to ask are the AWS command
 * line's: `aws configure export-credentials` has what they come to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_credentials_environment.h"
#include "aws/aws_credentials_file.h"
#include "aws/aws_imds.h"
#include "ctl_aws_private.h"

enum { PATH_MAX_LEN = 4096, IMDS_ATTEMPT_MS = 2000, IMDS_ATTEMPTS = 2 };

typedef struct aws_imds aws_imds;
DEFINE_AUTO_POINTER(aws_imds, aws_imds_close)

const char *ctl_aws_variable(const char *name)
{
    const char *value = secure_getenv(name);
    return value && *value ? value : NULL;
}

static const char *profile_name(void)
{
    const char *profile = ctl_aws_variable("AWS_PROFILE");
    return profile ? profile : "default";
}

/* The file that variable names, else ~/.aws/NAME; "" when there is no home. */
static must_check result shared_file(char out[static PATH_MAX_LEN], const char *variable, const char *name)
{
    const char *path = ctl_aws_variable(variable), *home = ctl_aws_variable("HOME");
    int length = path   ? snprintf(out, PATH_MAX_LEN, "%s", path)
                 : home ? snprintf(out, PATH_MAX_LEN, "%s/.aws/%s", home, name)
                        : snprintf(out, PATH_MAX_LEN, "%s", "");
    ENSURE(length >= 0 && length < PATH_MAX_LEN, E_INPUT, "%s: the path is too long", variable);
    return RESULT_OK;
}

static must_check result region_of_profile(char out[static CTL_AWS_REGION_MAX + 1])
{
    char path[PATH_MAX_LEN], section[256];
    const char *profile = profile_name();
    int length =
        snprintf(section, sizeof section, strcmp(profile, "default") == 0 ? "%s" : "profile %s", profile);
    ENSURE(length > 0 && (size_t)length < sizeof section, E_INPUT, "AWS_PROFILE: is too long");
    TRY(shared_file(path, "AWS_CONFIG_FILE", "config"));
    result r = aws_profile_region(out, path, section);
    if (r.code != E_NOT_FOUND)
        return r;
    TRY(shared_file(path, "AWS_SHARED_CREDENTIALS_FILE", "credentials"));
    return aws_profile_region(out, path, profile);
}

result ctl_aws_find_region(char out[static CTL_AWS_REGION_MAX + 1], const struct ctl_aws_options *o)
{
    const char *region = o->region;
    if (!region)
        region = ctl_aws_variable("AWS_REGION");
    if (!region)
        region = ctl_aws_variable("AWS_DEFAULT_REGION");
    if (region) {
        int length = snprintf(out, CTL_AWS_REGION_MAX + 1, "%s", region);
        ENSURE(length > 0 && length <= CTL_AWS_REGION_MAX, E_INPUT, "region: must be the name of a region");
    } else {
        result r = region_of_profile(out);
        ENSURE(
            r.code != E_NOT_FOUND, E_INPUT,
            "--region: required: neither AWS_REGION nor AWS_DEFAULT_REGION is set, and profile %s has none",
            profile_name());
        TRY(r);
    }
    ENSURE(out[strspn(out, "abcdefghijklmnopqrstuvwxyz0123456789-")] == 0, E_INPUT,
           "region: must be the name of a region");
    return RESULT_OK;
}

static must_check result of_instance(struct aws_credentials *ret_credentials)
{
    const char *disabled = ctl_aws_variable("AWS_EC2_METADATA_DISABLED");
    AUTO_POINTER(aws_imds) imds = NULL;
    uint64_t expires_ms;
    ENSURE(!disabled || strcmp(disabled, "true") != 0, E_NOT_FOUND, "AWS_EC2_METADATA_DISABLED is true");
    const struct aws_imds_config config = {.endpoint = ctl_aws_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
                                           .attempt_timeout_ms = IMDS_ATTEMPT_MS,
                                           .attempts = IMDS_ATTEMPTS};
    TRY(aws_imds_open(&imds, &config));
    return aws_imds_credentials(ret_credentials, &expires_ms, imds);
}

result ctl_aws_find_credentials(struct aws_credentials *ret_credentials, const struct ctl_aws_options *o)
{
    char path[PATH_MAX_LEN];
    bool in_environment = ctl_aws_variable("AWS_ACCESS_KEY_ID");
    bool named = ctl_aws_variable("AWS_PROFILE");
    if (o->credentials)
        return aws_credentials_read(ret_credentials, o->credentials);
    /* A profile that is named comes first for AWS's command line too. */
    if (in_environment && !named)
        return aws_credentials_take_environment(ret_credentials);
    TRY(shared_file(path, "AWS_SHARED_CREDENTIALS_FILE", "credentials"));
    result r = aws_profile_read(ret_credentials, path, profile_name());
    if (r.code != E_NOT_FOUND || named)
        return r;
    r = of_instance(ret_credentials);
    return r.code ? error_prefix(r,
                                 "there are no AWS credentials: none are in the environment or in profile "
                                 "%s, and the instance's metadata",
                                 profile_name())
                  : r;
}
