/* SPDX-License-Identifier: MIT */
#include "consumerd/consumer-internal.h"

#include <inttypes.h>

#include "util/log.h"

void consumer_fail(struct consumer *c, int error, const char *what)
{
    c->is_over = true;
    log_error("%s: %s.", what, strerror(-error));
    progress_end(c->progress);
    service_exit(c->service, EX_OSERR);
}

bool consumer_append_failure(struct consumer *c, struct buffer *out)
{
    struct inflight_status status = {};

    if (c->inflight)
        status = inflight_status(c->inflight);
    if (status.outage_usec == 0)
        return false;
    buffer_printf(out, "the handler has not been reached for %" PRIu64 " s: %s",
                  status.outage_usec / USEC_PER_SEC, status.outage);
    return true;
}

void consumer_request_dispatch(struct consumer *c)
{
    int r = sd_event_source_set_enabled(c->wake, SD_EVENT_ONESHOT);

    if (r < 0)
        consumer_fail(c, r, "Cannot go on");
}

void consumer_on_inflight_changed(void *userdata)
{
    struct consumer *c = userdata;

    c->is_status_due = true;
    consumer_request_dispatch(c);
}
