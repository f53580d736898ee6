/* SPDX-License-Identifier: MIT */
/* Asks the metadata service for the region, with a session of its own and one read. */
#include "aws/imds.h"

#include <errno.h>

#include "aws/metadata-url.h"

#define ZONE_PATH "latest/meta-data/placement/availability-zone"

struct imds_region {
    struct imds *imds;
    imds_region_done_fn done;
    void *userdata;
};

struct imds_region *imds_region_cancel(struct imds_region *region)
{
    if (region) {
        imds_free(region->imds);
        free(region);
    }
    return NULL;
}
DEFINE_CLEANUP(struct imds_region *, imds_region_cancel)

static void on_zone(void *userdata, enum imds_outcome outcome, const char *body, size_t body_bytes,
                    const char *text)
{
    CLEANUP(imds_region_cancel) struct imds_region *region = userdata;
    CLEANUP(free) char *name = NULL;
    int r;

    if (outcome != IMDS_OK) {
        region->done(region->userdata, NULL, text);
        return;
    }
    r = metadata_region_of_zone(body, body_bytes, &name);
    region->done(region->userdata, name,
                 r == 0  ? ""
                 : r < 0 ? "out of memory"
                         : "the instance metadata service's reply is not an availability zone");
}

int imds_region_get(sd_event *event, struct http_client *http, const char *profile,
                    imds_region_done_fn done, void *userdata, struct imds_region **ret,
                    char **error)
{
    CLEANUP(imds_region_cancel) struct imds_region *region = calloc(1, sizeof(*region));
    int r;

    if (!region)
        return -ENOMEM;
    region->done = done;
    region->userdata = userdata;
    r = imds_new(event, http, profile, &region->imds, error);
    if (r == 0)
        r = imds_get(region->imds, ZONE_PATH, on_zone, region);
    if (r == 0)
        *ret = TAKE(region);
    return r;
}
