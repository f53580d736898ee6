/* SPDX-License-Identifier: MIT */
/* A round sends one probe for each operation. The timer starts the next round. */
#include "sqs/permission-prober.h"

#include <errno.h>

#include "util/clock.h"
#include "util/timer.h"

struct probe {
    struct permission_prober *prober;
    struct sqs_call *call; /* under way */
};

struct permission_prober {
    sd_event *event;
    struct permission_prober_options options;
    struct timer timer;
    unsigned n_under_way;
    struct probe probes[SQS_N_OPERATIONS];
};

static uint64_t timeout_usec(void *userdata)
{
    return PERMISSION_PROBE_TIMEOUT_USEC;
}

static enum sqs_operation operation_of(const struct probe *probe)
{
    return (enum sqs_operation)(probe - probe->prober->probes);
}

static void set_timer(struct permission_prober *p)
{
    timer_set_after(&p->timer,
                    permissions_retry_usec(p->options.permissions, clock_loop_usec(p->event)));
}

static void on_result(void *userdata, const struct sqs_result *result)
{
    struct probe *probe = userdata;
    struct permission_prober *p = probe->prober;
    enum sqs_operation operation = operation_of(probe);
    enum permission_answer answer = permission_answer_of(operation, result->error);
    bool counts =
        permissions_probed(p->options.permissions, operation, answer, clock_loop_usec(p->event));

    probe->call = NULL;
    p->n_under_way--;
    p->options.answered(p->options.userdata, operation, answer, counts, result);
    if (p->n_under_way > 0)
        return;
    set_timer(p);
    p->options.round_over(p->options.userdata);
}

static int send(struct probe *probe)
{
    struct permission_prober *p = probe->prober;
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    int r = sqs_request_probe(operation_of(probe), p->options.queue_url, &request);

    if (r < 0)
        return r;
    return sqs_client_call(p->options.client, TAKE(request),
                           &(struct sqs_call_options){
                               .attempts_max = 1,
                               .is_probe = true,
                               .timeout = timeout_usec,
                           },
                           on_result, probe, &probe->call);
}

bool permission_prober_ask(struct permission_prober *p)
{
    for (size_t i = 0; i < SQS_N_OPERATIONS; i++) {
        struct probe *probe = &p->probes[i];

        if (!probe->call && permissions_needs_probe(p->options.permissions, operation_of(probe)) &&
            send(probe) >= 0)
            p->n_under_way++;
    }
    return p->n_under_way > 0;
}

static void on_timer(void *userdata)
{
    struct permission_prober *p = userdata;

    if (permission_prober_ask(p))
        return;
    set_timer(p);
    p->options.round_over(p->options.userdata);
}

int permission_prober_new(sd_event *event, const struct permission_prober_options *options,
                          struct permission_prober **ret)
{
    CLEANUP(permission_prober_free) struct permission_prober *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return -ENOMEM;
    p->event = sd_event_ref(event);
    p->options = *options;
    for (size_t i = 0; i < SQS_N_OPERATIONS; i++)
        p->probes[i].prober = p;
    r = timer_init(&p->timer, event, USEC_PER_MSEC, on_timer, p);
    if (r < 0)
        return r;
    *ret = TAKE(p);
    return 0;
}

struct permission_prober *permission_prober_free(struct permission_prober *p)
{
    if (!p)
        return NULL;
    for (size_t i = 0; i < SQS_N_OPERATIONS; i++)
        sqs_call_cancel(p->probes[i].call);
    timer_done(&p->timer);
    sd_event_unref(p->event);
    free(p);
    return NULL;
}
