/* SPDX-License-Identifier: MIT */
/* What a message costs that handler "http" posts, beside the bare POST: the handler as the consumer
 * runs it, and the floor's loop (floor-loop.h) with the same headers and body. The application is
 * libmicrohttpd in a process of its own, which answers 200 and nothing more.
 *
 *   posts floor|handler|unix MESSAGES IN_FLIGHT [CLIENT_CORE SERVER_CORE]
 *
 * "unix" is the handler on a Unix socket. Prints one JSON object, as floor does. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "consumerd/handler/http.h"
#include "consumerd/handler/sqsd-headers.h"
#include "floor-loop.h"
#include "util/log.h"

#define BODY                                                                                       \
    "{\"data\":\"mydata1\",\"ts\":\"2026-01-31T23:59:59.123456+01:00\","                           \
    "\"id\":\"01234567-89ab-4cde-8f01-0123456789ab\"}"

static const struct sqs_received_message message = {
    .message_id = "5fea7756-0ea4-451a-a703-a558b933e274",
    .body = BODY,
    .body_bytes = sizeof(BODY) - 1,
    .group_id = "test-1",
    .sender_id = "AIDAEXAMPLEEXAMPLE123",
    .sent_msec = UINT64_C(1531055305001),
    .first_received_msec = UINT64_C(1531055306987),
    .receive_count = 1,
};

/* --- The application --- */

struct application {
    pid_t process;
    char folder[32], path[64]; /* of the Unix socket */
    char host[32];             /* "127.0.0.1:PORT" */
    char url[128];             /* as the setting consumer.url */
};

static enum MHD_Result answer(void *userdata, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *body,
                              size_t *body_bytes, void **request)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    if (!*request || *body_bytes > 0) { /* the head, or a piece of the body */
        *request = connection;
        *body_bytes = 0;
        return MHD_YES;
    }
    response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static void stay_on_core(const char *core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(strtoul(core, NULL, 10), &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        floor_die("sched_setaffinity", -errno);
}

static void serve(int listener, const char *core)
{
    struct MHD_Daemon *daemon;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (core)
        stay_on_core(core);
    daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, NULL,
                              MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_END);
    if (!daemon)
        floor_die("MHD_start_daemon", -EIO);
    for (;;)
        pause();
}

static void listen_on_unix(struct application *a, int *ret)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(a->folder, "/tmp/posts-XXXXXX");
    if (!mkdtemp(a->folder))
        floor_die("mkdtemp", -errno);
    snprintf(a->path, sizeof(a->path), "%s/socket", a->folder);
    strcpy(address.sun_path, a->path);
    *ret = socket(AF_UNIX, SOCK_STREAM, 0);
    if (*ret < 0 || bind(*ret, (struct sockaddr *)&address, sizeof(address)) < 0)
        floor_die("bind", -errno);
    snprintf(a->url, sizeof(a->url), "unix:%s", a->path);
}

static void listen_on_tcp(struct application *a, int *ret)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    *ret = socket(AF_INET, SOCK_STREAM, 0);
    if (*ret < 0 || bind(*ret, (struct sockaddr *)&address, size) < 0 ||
        getsockname(*ret, (struct sockaddr *)&address, &size) < 0)
        floor_die("bind", -errno);
    snprintf(a->host, sizeof(a->host), "127.0.0.1:%u", ntohs(address.sin_port));
    snprintf(a->url, sizeof(a->url), "http://%s/", a->host);
}

static void application_start(struct application *a, bool is_unix, const char *core)
{
    int listener;

    if (is_unix)
        listen_on_unix(a, &listener);
    else
        listen_on_tcp(a, &listener);
    if (listen(listener, 512) < 0)
        floor_die("listen", -errno);
    a->process = fork();
    if (a->process < 0)
        floor_die("fork", -errno);
    if (a->process == 0)
        serve(listener, core);
    close(listener);
}

static void application_end(struct application *a)
{
    kill(a->process, SIGKILL);
    if (a->path[0]) {
        unlink(a->path);
        rmdir(a->folder);
    }
}

/* --- The contenders --- */

static struct {
    struct handler *handler;
    size_t n, n_begun, n_done;
} work;

static void begin_next(void);

static void on_handled(void *userdata, enum handler_outcome outcome, uint64_t delay_usec)
{
    if (outcome != HANDLER_DONE) {
        fputs("posts: the application did not answer 200\n", stderr);
        exit(EXIT_FAILURE);
    }
    work.n_done++;
    begin_next();
}

static void begin_next(void)
{
    struct handler_run *run;
    int r;

    if (work.n_begun == work.n)
        return;
    work.n_begun++;
    r = work.handler->ops->run(work.handler, &message, on_handled, NULL, &run);
    if (r < 0)
        floor_die("run", r);
}

static void handle(sd_event *event, size_t n, unsigned in_flight)
{
    work.n = n;
    work.n_begun = work.n_done = 0;
    for (unsigned i = 0; i < in_flight; i++)
        begin_next();
    while (work.n_done < n) {
        int r = sd_event_run(event, UINT64_MAX);

        if (r < 0)
            floor_die("sd_event_run", r);
    }
}

static struct floor_request *make_requests(size_t n)
{
    const struct sqsd_fixed fixed = {"application/json", "bench.fifo", "/"};
    CLEANUP(sqsd_headers_done) struct sqsd_headers headers = {};
    struct floor_request *requests = calloc(n, sizeof(*requests));
    struct sqs_request *body = calloc(1, sizeof(*body));
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    if (!requests || !body || !list || sqsd_headers_make(&fixed, &message, &headers) < 0)
        floor_die("memory", -ENOMEM);
    for (size_t i = 0; headers.lines[i]; i++)
        list = curl_slist_append(list, headers.lines[i]);
    body->json.max = message.body_bytes;
    buffer_append(&body->json, message.body, message.body_bytes);
    for (size_t i = 0; i < n; i++)
        requests[i] = (struct floor_request){.request = body, .headers = list};
    return requests;
}

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

static void report(size_t n, long long start, const struct rusage *before)
{
    struct rusage after;
    long long wall = now_usec() - start;

    getrusage(RUSAGE_SELF, &after);
    printf("{\"wall_usec\":%lld,\"user_usec\":%lld,\"system_usec\":%lld,\"requests\":%zu}\n", wall,
           usec_of(after.ru_utime) - usec_of(before->ru_utime),
           usec_of(after.ru_stime) - usec_of(before->ru_stime), n);
}

static void run_floor(const struct application *a, size_t n, unsigned in_flight)
{
    struct floor_request *requests = make_requests(n);
    struct floor_loop *loop;
    struct rusage before;
    long long start;

    curl_global_init(CURL_GLOBAL_DEFAULT);
    loop = floor_loop_new(a->host, in_flight);
    floor_loop_run(loop, requests, MIN(n, (size_t)in_flight), NULL, NULL); /* connect */
    getrusage(RUSAGE_SELF, &before);
    start = now_usec();
    floor_loop_run(loop, requests, n, NULL, NULL);
    report(n, start, &before);
}

static void run_handler(const struct application *a, size_t n, unsigned in_flight)
{
    char queue_url[] = "http://127.0.0.1:9324/000000000000/bench.fifo", url[128],
         type[] = "application/json", *error = NULL;
    struct config config = {.aws.queue_url = queue_url,
                            .consumer = {.url = url,
                                         .content_type = type,
                                         .timeout_usec = 60 * USEC_PER_SEC,
                                         .concurrency = in_flight}};
    struct rusage before;
    sd_event *event;
    long long start;

    strcpy(url, a->url);
    if (sd_event_new(&event) < 0 || handler_http_new(event, &config, &work.handler, &error) != 0)
        floor_die("handler_http_new", -EINVAL);
    handle(event, in_flight, in_flight); /* connect */
    getrusage(RUSAGE_SELF, &before);
    start = now_usec();
    handle(event, n, in_flight);
    report(n, start, &before);
    handler_free(work.handler);
    sd_event_unref(event);
}

int main(int argc, char **argv)
{
    struct application application = {};
    unsigned long n, in_flight;

    if ((argc != 4 && argc != 6) ||
        !(streq(argv[1], "floor") || streq(argv[1], "handler") || streq(argv[1], "unix"))) {
        fputs("usage: posts floor|handler|unix MESSAGES IN_FLIGHT [CLIENT_CORE SERVER_CORE]\n",
              stderr);
        return 2;
    }
    n = strtoul(argv[2], NULL, 10);
    in_flight = strtoul(argv[3], NULL, 10);
    if (n < 1 || in_flight < 1 || in_flight > FLOOR_IN_FLIGHT_MAX) {
        fputs("posts: at least one message, and 1 to 256 in flight\n", stderr);
        return 2;
    }
    log_open("posts", LOG_TARGET_STDERR, LOG_NOTICE, LOG_COLOUR_NONE);
    if (argc == 6)
        stay_on_core(argv[4]);
    application_start(&application, streq(argv[1], "unix"), argc == 6 ? argv[5] : NULL);
    if (streq(argv[1], "floor"))
        run_floor(&application, n, (unsigned)in_flight);
    else
        run_handler(&application, n, (unsigned)in_flight);
    application_end(&application);
    return EXIT_SUCCESS;
}
