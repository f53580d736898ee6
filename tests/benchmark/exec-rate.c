/* SPDX-License-Identifier: MIT */
/* What handler "exec" costs beside the creation of processes: handles messages with a program, and
 * in turns runs the same program as often by nothing but posix_spawn and waitpid, all on one core.
 *
 *   exec-rate [PROGRAM [ROUNDS [RUNS]]]      /bin/true, 7 rounds of 1000 runs
 *
 * Prints, for one and for 16 programs at once, the medians of the rounds' rates, of their ratios,
 * and of the microseconds of CPU that a program took beside its own:
 * "<concurrency> <spawned a second> <handled a second> <ratio> <CPU spawned> <CPU handled>". */
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>

#include "consumerd/handler/handlers.h"
#include "util/log.h"

enum { ROUNDS_MAX = 99, CONCURRENCY_MAX = 16 };

extern char **environ;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of this process, in microseconds; that of its children is not in it. */
static double cpu(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "exec-rate: %s failed\n", what);
    exit(EXIT_FAILURE);
}

/* Returns how long it takes. */
static double spawn_all(char *program, unsigned runs, unsigned concurrency)
{
    char *argv[] = {program, NULL};
    unsigned begun = 0, ended = 0;
    double start = now();

    while (ended < runs) {
        int status;
        pid_t pid;

        while (begun < runs && begun - ended < concurrency) {
            check(posix_spawn(&pid, program, NULL, NULL, argv, environ) == 0, "posix_spawn");
            begun++;
        }
        check(waitpid(-1, &status, 0) > 0 && status == 0, "a program");
        ended++;
    }
    return now() - start;
}

static void on_done(void *userdata, enum handler_outcome outcome, uint64_t delay_usec)
{
    unsigned *ended = userdata;

    check(outcome == HANDLER_DONE, "the handling of a message");
    ++*ended;
}

static double handle_all(sd_event *event, struct handler *handler, unsigned runs,
                         unsigned concurrency)
{
    const struct sqs_received_message message = {
        .message_id = "5fea7756-0ea4-451a-a703-a558b933e274",
        .group_id = "group",
        .deduplication_id = "deduplication",
        .sequence_number = "18850000000000000000",
        .sender_id = "AIDAIENQZJOLO23YVJ4VO",
        .body = "{\"data\": \"mydata\"}",
        .body_bytes = 18,
        .sent_msec = 1700000000000,
        .first_received_msec = 1700000000000,
        .receive_count = 1,
    };
    unsigned begun = 0, ended = 0;
    double start = now();

    while (ended < runs) {
        while (begun < runs && begun - ended < concurrency) {
            struct handler_run *run;

            check(handler->ops->run(handler, &message, on_done, &ended, &run) == 0, "a start");
            begun++;
        }
        check(sd_event_run(event, UINT64_MAX) >= 0, "the loop");
    }
    return now() - start;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *values, unsigned n)
{
    qsort(values, n, sizeof(*values), compare);
    return values[n / 2];
}

static void stay_on_one_core(void)
{
    int cpu = sched_getcpu();
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    check(cpu >= 0 && sched_setaffinity(0, sizeof(set), &set) == 0, "sched_setaffinity");
}

int main(int argc, char **argv)
{
    static const unsigned concurrencies[] = {1, CONCURRENCY_MAX};
    char default_program[] = "/bin/true";
    char *program = argc > 1 ? argv[1] : default_program, *command[] = {program, NULL};
    unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 7;
    unsigned runs = argc > 3 ? (unsigned)atoi(argv[3]) : 1000;
    struct config config = {.consumer = {.handler = CONFIG_HANDLER_EXEC,
                                         .command = command,
                                         .concurrency = CONCURRENCY_MAX,
                                         .timeout_usec = 300 * USEC_PER_SEC}};
    CLEANUP(handler_free) struct handler *handler = NULL;
    CLEANUP(free) char *error = NULL;
    sd_event *event = NULL;

    check(rounds > 0 && rounds <= ROUNDS_MAX && runs > 0, "reading the arguments");
    stay_on_one_core();
    log_open("exec-rate", LOG_TARGET_STDERR, LOG_INFO, LOG_COLOUR_NONE);
    check(sd_event_new(&event) >= 0, "sd_event_new");
    if (handler_new(event, &config, &handler, &error) != 0) {
        fprintf(stderr, "exec-rate: %s\n", error ? error : "no handler");
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < ARRAY_SIZE(concurrencies); i++) {
        double spawned[ROUNDS_MAX] = {}, handled[ROUNDS_MAX] = {}, ratios[ROUNDS_MAX] = {};
        double spawned_cpu[ROUNDS_MAX] = {}, handled_cpu[ROUNDS_MAX] = {};
        unsigned n = concurrencies[i];

        for (unsigned k = 0; k < rounds; k++) {
            double before = cpu(), floor = spawn_all(program, runs, n);
            double between = cpu(), ours = handle_all(event, handler, runs, n);

            spawned_cpu[k] = (between - before) / runs;
            handled_cpu[k] = (cpu() - between) / runs;
            spawned[k] = runs / floor;
            handled[k] = runs / ours;
            ratios[k] = ours / floor;
        }
        printf("%u %.0f %.0f %.3f %.1f %.1f\n", n, median(spawned, rounds), median(handled, rounds),
               median(ratios, rounds), median(spawned_cpu, rounds), median(handled_cpu, rounds));
    }
    handler = handler_free(handler);
    sd_event_unref(event);
    return EXIT_SUCCESS;
}
