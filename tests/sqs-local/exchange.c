/* See exchange.h.
 *
 *   READING -> [ARRIVING] -> [WAITING] -> [DELAYED] -> READY, or GONE where the reply is lost
 *           -> STALLED
 *
 * A request in any state but the first and the last two is suspended: libmicrohttpd does not look
 * at its connection, and a timer says when it goes on. Half of a round trip is spent ARRIVING and
 * the other half DELAYED, so that requests of other connections have their effect in between.
 *
 * Where a client that goes away makes a difference, the connection's socket stands in our epoll
 * set. It makes none to a request that is only on its way: that will be done all the same. */
#include "exchange.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#define STALL_USEC (3600 * USEC_PER_SEC)
/* A reply that leaves sooner than that is not worth watching its client for. */
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

/* Leaves the request in its state until a time, or until something happens that it waits for. */
static void hold(struct server *server, struct request *request, uint64_t until_usec)
{
    if (!request->is_suspended)
        MHD_suspend_connection(request->connection);
    request->is_suspended = true;
    timer_heap_set(&server->timers, &request->timer, until_usec);
    if (request->state == REQUEST_WAITING && list_is_empty(&request->of_queue))
        list_append(&request->call.queue->waiters, &request->of_queue);
    watch(server, request,
          request->state == REQUEST_WAITING || request->state == REQUEST_STALLED ||
              (request->state == REQUEST_DELAYED &&
               until_usec > request->call.now_usec + WATCH_USEC));
}

/* Hands the connection back to libmicrohttpd, which calls on_request again. */
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
    int r = request_check_form(request, method, server->tokener);

    /* Only what is a request of SQS at all is held to a signature of SQS. */
    if (r == 0 || request->call.fault.kind == ERROR_SERIALIZATION) {
        int refused = request_check_signature(request, method, server->control.auth,
                                              server_shown_time(server), server_now_usec(server));

        r = refused != 0 ? refused : r;
    }
    return r;
}

/* Sees to it that what is to go wrong does, as far as that is before or while the operation runs.
 * Returns the request's refusal. */
static int inject(struct server *server, struct request *request)
{
    struct injection *injection = &request->injection;
    struct call *call = &request->call;

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
    case INJECTION_DROP_BEFORE:
        request->is_dropped = true;
        return OPERATION_E_FAULT;
    case INJECTION_DROP_AFTER:
        request->is_dropped = true;
        return 0;
    default:
        return 0;
    }
}

/* When the request reaches the server; 0: at once. A connection costs a round trip before its first
 * request can leave, and its TLS another. */
static uint64_t arrival_usec(const struct server *server, const struct request *request)
{
    uint64_t rtt_usec = server->options->rtt_usec, left_usec, open_usec;
    const struct connection *connection;

    if (rtt_usec == 0)
        return request->injection.delay_usec > 0
                   ? server_now_usec(server) + request->injection.delay_usec
                   : 0;
    left_usec = server_now_usec(server);
    connection = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
                     ->socket_context;
    if (connection) {
        open_usec = connection->opened_usec + rtt_usec * (server->tls_key ? 2 : 1);
        left_usec = MAX(left_usec, open_usec);
    }
    return left_usec + rtt_usec / 2 + request->injection.delay_usec;
}

static enum MHD_Result run_control(struct server *server, struct request *request,
                                   const char *method)
{
    request_make_reply(request, 0);
    request->status =
        control_run(&server->control, method, request->uri, buffer_string(&request->body),
                    request->body.size, server_now_usec(server), &request->call.output);
    buffer_done(&request->body);
    return request_queue_reply(request, server_date(server));
}

/* ---- being handled ---- */

/* Makes the reply, and sets the request's state. Returns until when it stays there. */
static uint64_t leave(struct server *server, struct request *request, int result)
{
    uint64_t delay_usec = server->options->latency_usec + server->options->rtt_usec / 2;
    int r = record_flush(server->service.record);

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

/* Does what the request asks for. The same as leave(). */
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

/* The same for one that is suspended. */
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
    until_usec = arrival_usec(server, request);
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

/* Gives a queue's messages to those who wait for them. Whether anything was done. */
static bool serve_queue(struct server *server, struct queue *queue)
{
    bool was_receivable = false, any = false;

    LIST_FOREACH_SAFE(&queue->waiters, member)
    {
        struct request *request = CONTAINER_OF(member, struct request, of_queue);

        if (!queue_is_receivable(queue, server_now_usec(server)))
            break;
        was_receivable = true;
        act_and_move(server, request);
        any = any || request->state != REQUEST_WAITING;
    }
    /* Messages may also have gone to a dead-letter queue, where others wait. */
    return any || (was_receivable && !queue_is_receivable(queue, server_now_usec(server)));
}

void exchange_serve_waiters(struct server *server)
{
    bool again = true;

    while (again) {
        again = false;
        LIST_FOREACH_SAFE(&server->service.account.queues, member)
        again = serve_queue(server, CONTAINER_OF(member, struct queue, of_account)) || again;
    }
}

/* Its waiters find out by running their operation again. */
void exchange_queue_deleted(struct queue *queue)
{
    LIST_FOREACH_SAFE(&queue->waiters, member)
    {
        struct request *request = CONTAINER_OF(member, struct request, of_queue);

        act_and_move(CONTAINER_OF(request->call.service, struct server, service), request);
        list_remove(&request->of_queue);
    }
}
