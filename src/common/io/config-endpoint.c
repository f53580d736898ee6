/* See config-endpoint.h. AWS's files are read only where nothing before them tells the region, so
 * that a daemon that is told all by its configuration does not depend on them. */
#include "config-endpoint.h"

#include <errno.h>

#include "aws-files.h"

/* `*ret` stays NULL where none of the places tells; the caller frees it. 0, -ENOMEM or
 * CONFIG_ENDPOINT_E_INVALID. */
static int find_region(const struct config *config, char **ret, char **error)
{
    const char *const places[] = {config->aws.region, getenv("AWS_REGION"),
                                  getenv("AWS_DEFAULT_REGION")};
    CLEANUP(aws_profiles_free) struct aws_profiles *profiles = NULL;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(4096);
    const char *region = NULL;
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(places) && !is_set(region); i++)
        region = places[i];
    if (!is_set(region)) {
        r = aws_files_read(&profiles, &text, error);
        if (r != 0)
            return r < 0 ? r : CONFIG_ENDPOINT_E_INVALID;
        region = aws_profiles_get(profiles, aws_profile_name(config->aws.profile), "region", NULL);
    }
    if (!is_set(region))
        return 0;
    *ret = strdup(region);
    return *ret ? 0 : -ENOMEM;
}

int config_endpoint_resolve(const struct config *config, struct endpoint **ret, char **error)
{
    CLEANUP(free) char *region = NULL;
    int r = find_region(config, &region, error);

    if (r == 0)
        r = endpoint_resolve(
            &(struct endpoint_settings){
                .queue_url = config->aws.queue_url,
                .region = region,
                .endpoint_url = config->aws.endpoint_url,
                .use_fips = config->aws.use_fips_endpoint,
                .use_dualstack = config->aws.use_dualstack_endpoint,
            },
            ret, error);
    return r <= 0 ? r : CONFIG_ENDPOINT_E_INVALID;
}
