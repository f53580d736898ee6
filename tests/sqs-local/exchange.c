/* SPDX-License-Identifier: MIT */
/* The states of a request:
 *
 *   READING -> [ARRIVING] -> [WAITING] -> [DELAYED] -> READY, or GONE if the reply is lost
 *           -> STALLED
 *
 * In all states but the first and the last two, a request is suspended: libmicrohttpd does not look
 * at its connection, and a timer says when the request goes on. With a simulated network it is
 * ARRIVING for half of the round trip and DELAYED for the other half. So requests on other
 * connections can take effect in between.
 *
 * If it matters whether the client goes away, the connection's socket is in our epoll set. It does
 * not matter while a request is ARRIVING, because its operation is run anyway. A request that the
 * simulated network loses is STALLED until its connection is reset. */
#include "exchange.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "receipt-handle.h"

#define STALL_USEC (3600 * USEC_PER_SEC)
/* If a reply is sent within this time, its client is not watched. */
#define WATCH_USEC USEC_PER_SEC

/* ---- suspending ---- */

static void watch(struct server *server, struct request *request, bool is_to_be)
{
    struct epoll_event event = {.events = EPOLLRDHUP, .data.ptr = request};
    int fd;

    if (request->is_watched == is_to_be)
        return;
    fd =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    epoll_ctl(server->epoll_fd, is_to_be ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event);
    request->is_watched = is_to_be;
}

/* Suspends the request in its state until a time, or until something happens that it waits for. */
static void hold(struct server *server, struct request *request, uint64_t until_usec)
{
    if (!request->is_suspended)
        MHD_suspend_connection(request->connection);
    request->is_suspended = true;
    timer_heap_set(&server->timers, &request->timer, until_usec);
    if (request->state == REQUEST_WAITING && !list_is_linked(&request->of_queue))
        list_append(&request->call.queue->waiters, &request->of_queue);
    watch(server, request,
          request->state == REQUEST_WAITING || request->state == REQUEST_STALLED ||
              (request->state == REQUEST_DELAYED &&
               until_usec > request->call.now_usec + WATCH_USEC));
}

/* Resumes the connection: libmicrohttpd then calls server_on_request again. */
static void let_go(struct server *server, struct request *request, enum request_state state)
{
    request->state = state;
    timer_heap_remove(&server->timers, &request->timer);
    list_remove(&request->of_queue);
    watch(server, request, false);
    MHD_resume_connection(request->connection);
    request->is_suspended = false;
    server->has_resumed = true;
}

void exchange_give_up(struct server *server, struct request *request)
{
    if (request->is_suspended)
        let_go(server, request, REQUEST_GONE);
}

/* ---- coming in ---- */

static int check(struct server *server, struct request *request, const char *method)
{
    int r = request_check_form(request, method);

    /* The signature is checked only if this is a request for SQS at all. */
    if (r == 0 || request->call.fault.kind == ERROR_SERIALIZATION ||
        (request->call.fault.kind == ERROR_UNSUPPORTED_OPERATION && !request->is_query_protocol)) {
        int refused = request_check_signature(request, method, server->control.auth,
                                              server_shown_time(server), server_now_usec(server));

        r = refused != 0 ? refused : r;
    }
    return r;
}

/* The names are those of botocore's model of SQS. The texts are our own. */
static const struct {
    enum injection_kind kind;
    enum error_kind error;
    const char *text;
} kms_faults[] = {
    {INJECTION_KMS_ACCESS_DENIED, ERROR_KMS_ACCESS_DENIED,
     "The caller is not authorized to use the KMS key of this queue"},
    {INJECTION_KMS_DISABLED, ERROR_KMS_DISABLED, "The KMS key of this queue is disabled."},
    {INJECTION_KMS_INVALID_KEY_USAGE, ERROR_KMS_INVALID_KEY_USAGE,
     "The KeyUsage of the KMS key of this queue is not ENCRYPT_DECRYPT."},
    {INJECTION_KMS_INVALID_STATE, ERROR_KMS_INVALID_STATE,
     "The KMS key of this queue is pending deletion."},
    {INJECTION_KMS_NOT_FOUND, ERROR_KMS_NOT_FOUND, "The KMS key of this queue does not exist"},
    {INJECTION_KMS_OPT_IN_REQUIRED, ERROR_KMS_OPT_IN_REQUIRED,
     "The AWS access key ID needs a subscription for the service"},
    {INJECTION_KMS_THROTTLED, ERROR_KMS_THROTTLED,
     "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."},
};

/* Whether a request is a batch without entries, a receive of too many messages, or has an invalid
 * receipt handle. Clients send these to find out what they may do, and no rule applies to them. */
static bool is_without_effect(const struct call *call)
{
    struct json_object *value;
    struct receipt receipt;

    if (json_object_object_get_ex(call->input, "Entries", &value))
        return json_object_is_type(value, json_type_array) && json_object_array_length(value) == 0;
    if (json_object_object_get_ex(call->input, "MaxNumberOfMessages", &value))
        return json_object_get_int(value) > SQS_BATCH_MAX;
    return json_object_object_get_ex(call->input, "ReceiptHandle", &value) &&
           json_object_is_type(value, json_type_string) &&
           receipt_handle_parse(json_object_get_string(value), &receipt) < 0;
}

/* Chooses the fault for the request, and applies it if it acts before or during the operation.
 * Returns the error for the request, or 0. */
static int inject(struct server *server, struct request *request)
{
    struct injection *injection = &request->injection;
    struct call *call = &request->call;

    if (is_without_effect(call))
        return 0;
    *injection = injections_next(server->control.injections, request->operation->name);
    call->failing_entries = injection->failing_entries;
    switch (injection->kind) {
    case INJECTION_ERROR_500:
        return call_fail(call, ERROR_INTERNAL_FAILURE,
                         "We encountered an internal error. Please try again.");
    case INJECTION_ERROR_503:
        return call_fail(call, ERROR_UNAVAILABLE, "Service Unavailable");
    case INJECTION_EXPIRED_TOKEN:
        return call_fail(call, ERROR_EXPIRED_TOKEN,
                         "The security token included in the request is expired");
    case INJECTION_THROTTLE:
        call->is_throttled = true;
        return 0;
    case INJECTION_EMPTY:
        call->is_to_find_nothing = true;
        return 0;
    case INJECTION_DROP_BEFORE:
        request->is_dropped = true;
        return OPERATION_E_FAULT;
    case INJECTION_DROP_AFTER:
        request->is_dropped = true;
        return 0;
    default:
        for (size_t i = 0; i < ARRAY_SIZE(kms_faults); i++)
            if (injection->kind == kms_faults[i].kind)
                return call_fail(call, kms_faults[i].error, "%s", kms_faults[i].text);
        return 0;
    }
}

/* When the request reaches the server; 0: at once. It is sent only once its connection is open. If
 * *ret_is_reset, it never arrives, and its connection is reset at that time. */
static uint64_t arrival_usec(struct server *server, const struct request *request,
                             bool *ret_is_reset)
{
    uint64_t delay_usec = request->injection.delay_usec, left_usec;
    struct connection *connection;

    *ret_is_reset = false;
    if (!network_is_played(&server->network))
        return delay_usec > 0 ? server_now_usec(server) + delay_usec : 0;
    left_usec = server_now_usec(server);
    connection = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
                     ->socket_context;
    if (connection && connection->open_usec == 0)
        connection->open_usec =
            connection->accepted_usec +
            network_open_usec(&server->network, server->tls_key != NULL, &connection->is_reset);
    if (connection && connection->is_reset) {
        *ret_is_reset = true;
        return MAX(left_usec, connection->open_usec);
    }
    if (connection)
        left_usec = MAX(left_usec, connection->open_usec);
    return left_usec + network_one_way_usec(&server->network, ret_is_reset) + delay_usec;
}

static void count(struct server *server)
{
    struct control_counts *counts = &server->control.counts;

    *counts = (struct control_counts){
        .lost = server->network.n_lost,
        .reset = server->network.n_reset,
        .over_limit = server->service.n_over_limit,
    };
    LIST_FOREACH(&server->service.account.queues, member)
    {
        const struct queue *queue = CONTAINER_OF(member, struct queue, of_account);

        counts->duplicates += queue->slack.n_duplicates;
        counts->disordered += queue->slack.n_disordered;
    }
}

static enum MHD_Result run_control(struct server *server, struct request *request,
                                   const char *method)
{
    request_make_reply(request, 0);
    count(server);
    request->status =
        control_run(&server->control, method, request->uri, buffer_string(&request->body),
                    request->body.size, server_now_usec(server), &request->call.output);
    buffer_done(&request->body);
    return request_queue_reply(request, server_date(server));
}

/* ---- running the operation ---- */

/* Makes the reply and sets the request's state. Returns the time until which the request stays in
 * it. */
static uint64_t leave(struct server *server, struct request *request, int result)
{
    bool is_reset;
    uint64_t delay_usec =
        server->options->latency_usec + network_one_way_usec(&server->network, &is_reset);
    int r = record_flush(server->service.record);

    request->is_dropped = request->is_dropped || is_reset;
    if (r < 0)
        fprintf(stderr, "sqs-local: %s: %s\n", server->options->record_path, strerror(-r));
    request_make_reply(request, r < 0 ? r : result);
    if (request->injection.kind != INJECTION_NONE && request->status == MHD_HTTP_OK) {
        injection_spoil(request->injection.kind, &request->call.output);
        request->is_truncated = request->injection.kind == INJECTION_TRUNCATE;
    }
    if (delay_usec > 0)
        request->state = REQUEST_DELAYED;
    else
        request->state = request->is_dropped ? REQUEST_GONE : REQUEST_READY;
    return request->call.now_usec + delay_usec;
}

/* Runs the operation of the request. Returns the same as leave(). */
static uint64_t act(struct server *server, struct request *request)
{
    int r = request->refusal;

    request->call.now_usec = server_now_usec(server);
    if (r == 0)
        r = operation_run(request->operation, &request->call);
    if (r == OPERATION_E_WAIT) {
        request->state = REQUEST_WAITING;
        return request->call.wait_until_usec;
    }
    return leave(server, request, r);
}

/* Runs the operation of a request that is suspended, and moves it to its next state. */
static void act_and_move(struct server *server, struct request *request)
{
    uint64_t until_usec = act(server, request);

    if (request->state != REQUEST_WAITING)
        list_remove(&request->of_queue);
    if (request->state == REQUEST_READY || request->state == REQUEST_GONE)
        let_go(server, request, request->state);
    else
        hold(server, request, until_usec);
}

enum MHD_Result exchange_begin(struct server *server, struct request *request, const char *method)
{
    uint64_t until_usec;
    bool is_reset;

    if (control_has(request->uri))
        return run_control(server, request, method);
    request->refusal = check(server, request, method);
    buffer_done(&request->body);
    if (request->refusal == 0)
        request->refusal = inject(server, request);
    if (request->injection.kind == INJECTION_STALL) {
        request->state = REQUEST_STALLED;
        hold(server, request, server_now_usec(server) + STALL_USEC);
        return MHD_YES;
    }
    until_usec = arrival_usec(server, request, &is_reset);
    if (is_reset) {
        request->state = REQUEST_STALLED;
        hold(server, request, until_usec);
        return MHD_YES;
    }
    if (until_usec > 0)
        request->state = REQUEST_ARRIVING;
    else
        until_usec = act(server, request);
    switch (request->state) {
    case REQUEST_READY:
        return request_queue_reply(request, server_date(server));
    case REQUEST_GONE:
        return MHD_NO;
    default:
        hold(server, request, until_usec);
        return MHD_YES;
    }
}

void exchange_go_on(struct server *server, struct request *request)
{
    switch (request->state) {
    case REQUEST_ARRIVING:
    case REQUEST_WAITING:
        act_and_move(server, request);
        break;
    case REQUEST_DELAYED:
        let_go(server, request, request->is_dropped ? REQUEST_GONE : REQUEST_READY);
        break;
    default:
        exchange_give_up(server, request);
    }
}

/* ---- long polls ---- */

/* Gives a queue's messages to the receives that wait for them. Returns whether anything was
 * done. */
static bool serve_queue(struct server *server, struct queue *queue)
{
    bool was_receivable = false, any = false;

    LIST_FOREACH(&queue->waiters, member)
    {
        struct request *request = CONTAINER_OF(member, struct request, of_queue);

        if (!queue_is_receivable(queue, server_now_usec(server)))
            break;
        was_receivable = true;
        act_and_move(server, request);
        any = any || request->state != REQUEST_WAITING;
    }
    /* Messages may have moved to a dead-letter queue, and other receives may wait there. */
    return any || (was_receivable && !queue_is_receivable(queue, server_now_usec(server)));
}

void exchange_serve_waiters(struct server *server)
{
    bool again = true;

    while (again) {
        again = false;
        LIST_FOREACH(&server->service.account.queues, member)
        again = serve_queue(server, CONTAINER_OF(member, struct queue, of_account)) || again;
    }
}

/* The waiting requests find this out by running their operation again. */
void exchange_queue_deleted(struct queue *queue)
{
    LIST_FOREACH(&queue->waiters, member)
    {
        struct request *request = CONTAINER_OF(member, struct request, of_queue);

        act_and_move(CONTAINER_OF(request->call.service, struct server, service), request);
        list_remove(&request->of_queue);
    }
}
