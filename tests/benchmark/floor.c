/* SPDX-License-Identifier: MIT */
/* What the daemons' work costs at the least: their HTTP requests, of the same sizes and as many at
 * once, sent by nothing but libcurl and epoll. All of them are made and signed before the clock
 * starts, and the replies are thrown away: no signing, no JSON, no checks, no order.
 *
 *   floor ADDRESS:PORT QUEUE_URL send|receive MESSAGES BATCH IN_FLIGHT GROUPS
 *
 * "send" sends the messages, BATCH at a time. "receive" first puts twice as many on the queue and
 * receives half of them, so that it has receipt handles; what is measured is to receive the other
 * half and to delete the first, in turns. Keys and region come from the environment. Prints one
 * JSON object about the measured part, which is all inside measured_run(), so that callgrind can be
 * told to count nothing else. */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "aws/sigv4.h"
#include "aws/sigv4-time.h"
#include "floor-loop.h"

enum {
    FILL_IN_FLIGHT = 64,
    RECEIVE_ROUNDS_MAX = 100,
    AUTHORIZATION_MAX_BYTES = 4096,
};

struct options {
    const char *host, *queue_url;
    bool is_receive;
    size_t n_messages;
    unsigned batch, in_flight, n_groups;
};

/* Requests in the making. */
struct list {
    const struct options *options;
    struct sigv4_signer *signer;
    struct floor_request *requests;
    size_t n, n_max;
    size_t n_ids; /* of messages and receive attempts so far: each has its own */
};

struct handles {
    char **texts;
    size_t n, n_max;
};

/* --- Making requests --- */

static const char *environment(const char *name)
{
    const char *value = getenv(name);

    if (!value) {
        fprintf(stderr, "floor: %s is not set\n", name);
        exit(EXIT_FAILURE);
    }
    return value;
}

static void add_header(struct curl_slist **headers, const char *name, const char *value)
{
    char line[AUTHORIZATION_MAX_BYTES + 128];
    struct curl_slist *list;

    snprintf(line, sizeof(line), "%s: %s", name, value);
    list = curl_slist_append(*headers, line);
    if (!list)
        floor_die("curl_slist_append", -ENOMEM);
    *headers = list;
}

/* Signs a request and puts it at the end of the list. */
static void add_request(struct list *list, struct sqs_request *request)
{
    CLEANUP(buffer_done) struct buffer authorization = BUFFER_INIT(AUTHORIZATION_MAX_BYTES);
    char date[AWS_TIME_SIZE], target[80];
    const struct sigv4_header headers[] = {
        {"content-type", "application/x-amz-json-1.0"},
        {"host", list->options->host},
        {"x-amz-date", date},
        {"x-amz-target", target},
        {"x-amzn-query-mode", "true"},
    };
    const struct sigv4_scope scope = {environment("AWS_REGION"), "sqs", time(NULL)};
    struct floor_request *made;
    int r;

    if (list->n == list->n_max) {
        list->n_max = MAX(2 * list->n_max, (size_t)1024);
        list->requests = reallocarray(list->requests, list->n_max, sizeof(struct floor_request));
        if (!list->requests)
            floor_die("reallocarray", -ENOMEM);
    }
    made = &list->requests[list->n++];
    *made = (struct floor_request){.request = request};
    aws_time_format(scope.time, date);
    snprintf(target, sizeof(target), "AmazonSQS.%s", sqs_operation_name(request->operation));
    r = sigv4_authorize(list->signer,
                        &(struct sigv4_request){.method = "POST",
                                                .path = "/",
                                                .headers = headers,
                                                .n_headers = ARRAY_SIZE(headers),
                                                .body = request->json.data,
                                                .body_bytes = request->json.size},
                        &(struct sigv4_credentials){environment("AWS_ACCESS_KEY_ID"),
                                                    environment("AWS_SECRET_ACCESS_KEY")},
                        &scope, &authorization);
    if (r < 0)
        floor_die("sigv4_authorize", r);
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
        add_header(&made->headers, headers[i].name, headers[i].value);
    add_header(&made->headers, "accept", "application/json");
    add_header(&made->headers, "authorization", buffer_string(&authorization));
}

/* Messages as the producer's demo makes them, in size and form. */
static void add_send(struct list *list, unsigned n, unsigned n_groups)
{
    struct sqs_message messages[SQS_BATCH_MAX];
    char bodies[SQS_BATCH_MAX][256], groups[SQS_BATCH_MAX][32], ids[SQS_BATCH_MAX][64];
    struct sqs_request *request;
    int r;

    for (unsigned i = 0; i < n; i++) {
        size_t id = list->n_ids++;

        snprintf(bodies[i], sizeof(bodies[i]),
                 "{\"data\":\"mydata%zu\",\"ts\":\"2026-01-31T23:59:59.123456+01:00\","
                 "\"id\":\"01234567-89ab-4cde-8f01-%012zx\"}",
                 id, id);
        snprintf(groups[i], sizeof(groups[i]), "test-%zu", id % n_groups);
        snprintf(ids[i], sizeof(ids[i]), "DeduplicationId-01234567-89ab-4cde-8f01-%012zx", id);
        messages[i] = (struct sqs_message){.body = bodies[i],
                                           .body_bytes = strlen(bodies[i]),
                                           .group_id = groups[i],
                                           .deduplication_id = ids[i],
                                           .delay_sec = -1};
    }
    r = n == 1 ? sqs_request_send_message(list->options->queue_url, messages, &request)
               : sqs_request_send_message_batch(list->options->queue_url, messages, n, &request);
    if (r < 0)
        floor_die("cannot make a request", r);
    add_request(list, request);
}

static void add_sends(struct list *list, size_t n_messages, unsigned batch, unsigned n_groups)
{
    for (size_t done = 0; done < n_messages; done += batch)
        add_send(list, (unsigned)MIN((size_t)batch, n_messages - done), n_groups);
}

static void add_receive(struct list *list, unsigned batch)
{
    char attempt_id[64];
    struct sqs_receive receive = {
        .max_messages = batch, .wait_sec = 1, .visibility_sec = -1, .attempt_id = attempt_id};
    struct sqs_request *request;
    int r;

    snprintf(attempt_id, sizeof(attempt_id), "01234567-89ab-4cde-8f01-%012zx", list->n_ids++);
    r = sqs_request_receive_message(list->options->queue_url, &receive, &request);
    if (r < 0)
        floor_die("cannot make a request", r);
    add_request(list, request);
}

static void add_delete(struct list *list, char **handles, unsigned n)
{
    const char *const *texts = (const char *const *)handles;
    struct sqs_request *request;
    int r = n == 1 ? sqs_request_delete_message(list->options->queue_url, texts[0], &request)
                   : sqs_request_delete_message_batch(list->options->queue_url, texts, n, &request);

    if (r < 0)
        floor_die("cannot make a request", r);
    add_request(list, request);
}

static void list_clear(struct list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        sqs_request_free(list->requests[i].request);
        curl_slist_free_all(list->requests[i].headers);
    }
    list->n = 0;
}

/* --- Preparing the queue --- */

static void keep_handles(void *userdata, const struct floor_request *request, const char *body,
                         size_t body_bytes)
{
    struct handles *handles = userdata;
    CLEANUP(sqs_reply_unref) struct sqs_reply *reply = NULL;
    CLEANUP(free) char *error = NULL;
    int r = sqs_reply_parse(request->request, body, body_bytes, &reply, &error);

    if (r != 0) {
        fprintf(stderr, "floor: %s\n", error ? error : strerror(ENOMEM));
        exit(EXIT_FAILURE);
    }
    for (size_t i = 0; i < reply->n_messages && handles->n < handles->n_max; i++) {
        handles->texts[handles->n] = strdup(reply->messages[i].receipt_handle);
        if (!handles->texts[handles->n++])
            floor_die("strdup", -ENOMEM);
    }
}

/* Twice the messages, each in a group of its own, so that none hides another; of the first half the
 * receipt handles. */
static void fill(struct list *list, struct handles *handles)
{
    const struct options *o = list->options;
    struct floor_loop *loop = floor_loop_new(o->host, FILL_IN_FLIGHT);

    add_sends(list, 2 * o->n_messages, SQS_BATCH_MAX, UINT32_MAX);
    floor_loop_run(loop, list->requests, list->n, NULL, NULL);
    list_clear(list);

    *handles = (struct handles){.n_max = o->n_messages};
    handles->texts = calloc(o->n_messages, sizeof(char *));
    if (!handles->texts)
        floor_die("calloc", -ENOMEM);
    for (unsigned i = 0; i < RECEIVE_ROUNDS_MAX && handles->n < handles->n_max; i++) {
        for (size_t n = handles->n; n < handles->n_max; n += SQS_BATCH_MAX)
            add_receive(list, (unsigned)MIN((size_t)SQS_BATCH_MAX, handles->n_max - n));
        floor_loop_run(loop, list->requests, list->n, keep_handles, handles);
        list_clear(list);
    }
    floor_loop_free(loop);
    if (handles->n < handles->n_max)
        floor_die("cannot receive the messages", -ENODATA);
}

static void add_receives_and_deletes(struct list *list)
{
    size_t n = list->options->n_messages;
    struct handles handles;

    fill(list, &handles);
    for (size_t done = 0; done < n; done += list->options->batch) {
        unsigned batch = (unsigned)MIN((size_t)list->options->batch, n - done);

        add_receive(list, batch);
        add_delete(list, handles.texts + done, batch);
    }
    for (size_t i = 0; i < handles.n; i++)
        free(handles.texts[i]);
    free(handles.texts);
}

/* --- Measuring --- */

static long long usec_of(struct timeval t)
{
    return (long long)t.tv_sec * 1000000 + t.tv_usec;
}

static long long now_usec(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static __attribute__((noinline)) void measured_run(struct floor_loop *loop, const struct list *list)
{
    long long start = now_usec();
    struct rusage before, after;
    unsigned long long reply_bytes;

    getrusage(RUSAGE_SELF, &before);
    reply_bytes = floor_loop_run(loop, list->requests, list->n, NULL, NULL);
    getrusage(RUSAGE_SELF, &after);
    printf("{\"wall_usec\":%lld,\"user_usec\":%lld,\"system_usec\":%lld,\"requests\":%zu,"
           "\"reply_bytes\":%llu}\n",
           now_usec() - start, usec_of(after.ru_utime) - usec_of(before.ru_utime),
           usec_of(after.ru_stime) - usec_of(before.ru_stime), list->n, reply_bytes);
}

static unsigned long number(const char *text, unsigned long max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*end != '\0' || n < 1 || n > max) {
        fprintf(stderr, "floor: found \"%s\", allowed is 1 to %lu\n", text, max);
        exit(2);
    }
    return n;
}

int main(int argc, char **argv)
{
    struct options options;
    struct list list = {.options = &options};
    struct floor_loop *loop;
    int r;

    if (argc != 8 || !(streq(argv[3], "send") || streq(argv[3], "receive"))) {
        fputs("usage: floor ADDRESS:PORT QUEUE_URL send|receive MESSAGES BATCH IN_FLIGHT GROUPS\n",
              stderr);
        return 2;
    }
    options = (struct options){
        .host = argv[1],
        .queue_url = argv[2],
        .is_receive = streq(argv[3], "receive"),
        .n_messages = number(argv[4], 10000000),
        .batch = (unsigned)number(argv[5], SQS_BATCH_MAX),
        .in_flight = (unsigned)number(argv[6], FLOOR_IN_FLIGHT_MAX),
        .n_groups = (unsigned)number(argv[7], 1000000),
    };
    r = sigv4_signer_new(&list.signer);
    if (r < 0)
        floor_die("sigv4_signer_new", r);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (options.is_receive)
        add_receives_and_deletes(&list);
    else
        add_sends(&list, options.n_messages, options.batch, options.n_groups);
    loop = floor_loop_new(options.host, options.in_flight);
    measured_run(loop, &list);
    floor_loop_free(loop);
    list_clear(&list);
    free(list.requests);
    sigv4_signer_free(list.signer);
    curl_global_cleanup();
    return EXIT_SUCCESS;
}
