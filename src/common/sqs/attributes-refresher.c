/* SPDX-License-Identifier: MIT */
/* One timer has two uses: between requests it waits until the next one is due, and during a request
 * it waits for the time-out. */
#include "sqs/attributes-refresher.h"

#include <errno.h>

#include "util/clock.h"
#include "util/random.h"
#include "util/timer.h"

struct attributes_refresher {
    sd_event *event;
    struct sqs_client *client;
    const char *queue_url;
    attributes_refreshed_fn refreshed;
    void *userdata;
    struct timer timer;
    struct sqs_call *call; /* under way */
    uint64_t known_usec;   /* when the last request ended */
};

uint64_t attributes_refresh_interval_usec(uint64_t random)
{
    return ATTRIBUTES_REFRESH_INTERVAL_USEC - ATTRIBUTES_REFRESH_JITTER_USEC +
           random % (2 * ATTRIBUTES_REFRESH_JITTER_USEC + 1);
}

static void end(struct attributes_refresher *r, const struct sqs_queue_attributes *attributes)
{
    r->call = NULL;
    r->known_usec = clock_loop_usec(r->event);
    timer_set_after(&r->timer, attributes_refresh_interval_usec(random_u64()));
    r->refreshed(r->userdata, attributes);
}

static void on_result(void *userdata, const struct sqs_result *result)
{
    end(userdata, result->reply ? &result->reply->attributes : NULL);
}

static int ask(struct attributes_refresher *r)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    int q = sqs_request_get_queue_attributes(r->queue_url, &request);

    r->known_usec =
        clock_loop_usec(r->event); /* a request that cannot be sent counts as ended, too */
    if (q >= 0)
        q = sqs_client_call(r->client, TAKE(request), &(struct sqs_call_options){.attempts_max = 1},
                            on_result, r, &r->call);
    timer_set_after(&r->timer, q >= 0 ? ATTRIBUTES_REFRESH_TIMEOUT_USEC
                                      : attributes_refresh_interval_usec(random_u64()));
    return q;
}

bool attributes_refresher_ask(struct attributes_refresher *r)
{
    if (r->call)
        return true;
    if (clock_loop_usec(r->event) - r->known_usec < ATTRIBUTES_REFRESH_AGE_MIN_USEC)
        return false;
    return ask(r) >= 0;
}

static void on_timer(void *userdata)
{
    struct attributes_refresher *r = userdata;

    if (!r->call) {
        (void)ask(r);
        return;
    }
    r->call = sqs_call_cancel(r->call);
    end(r, NULL);
}

int attributes_refresher_new(sd_event *event, struct sqs_client *client, const char *queue_url,
                             attributes_refreshed_fn refreshed, void *userdata,
                             struct attributes_refresher **ret)
{
    CLEANUP(attributes_refresher_free) struct attributes_refresher *r = calloc(1, sizeof(*r));
    int q;

    if (!r)
        return -ENOMEM;
    r->event = sd_event_ref(event);
    r->client = client;
    r->queue_url = queue_url;
    r->refreshed = refreshed;
    r->userdata = userdata;
    r->known_usec = clock_loop_usec(event);
    q = timer_init(&r->timer, event, USEC_PER_SEC, on_timer, r);
    if (q >= 0)
        q = timer_set_after(&r->timer, attributes_refresh_interval_usec(random_u64()));
    if (q < 0)
        return q;
    *ret = TAKE(r);
    return 0;
}

struct attributes_refresher *attributes_refresher_free(struct attributes_refresher *r)
{
    if (!r)
        return NULL;
    sqs_call_cancel(r->call);
    timer_done(&r->timer);
    sd_event_unref(r->event);
    free(r);
    return NULL;
}
