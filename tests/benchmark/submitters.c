/* SPDX-License-Identifier: MIT */
/* Many programs that submit messages at sqs-producerd's socket at once, each its next one when the
 * last one is acknowledged.
 *
 *   submitters SOCKET SUBMITTERS MESSAGES
 *
 * Prints {"wall_usec": ..., "p50_usec": ..., "p99_usec": ...}: what all of it took, and from a line
 * to its answer. A message that is not accepted ends it with status 1. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { SUBMITTERS_MAX = 1000, ANSWER_MAX_BYTES = 256, PATIENCE_MSEC = 60000 };

struct submitter {
    char answer[ANSWER_MAX_BYTES]; /* so far */
    size_t size;
    long long sent_usec;
};

static struct submitter submitters[SUBMITTERS_MAX];
static struct pollfd fds[SUBMITTERS_MAX];
static long long *waits_usec; /* of each message */
static unsigned n_begun, n_done, n_messages;

static long long now_usec(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "submitters: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    check(fd >= 0 && strlen(path) < sizeof(address.sun_path), "socket");
    strcpy(address.sun_path, path);
    check(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, path);
    return fd;
}

/* A group for each submitter. A line is far smaller than a socket's buffer. */
static void hand_in(unsigned i)
{
    char line[256];
    int n = snprintf(line, sizeof(line),
                     "{\"body\": \"{\\\"data\\\": \\\"mydata%u\\\", \\\"submitter\\\": %u}\", "
                     "\"group\": \"submitter-%u\"}\n",
                     n_begun, i, i);

    n_begun++;
    submitters[i].size = 0;
    submitters[i].sent_usec = now_usec();
    check(write(fds[i].fd, line, (size_t)n) == n, "write");
}

static void take_answer(unsigned i)
{
    static const char accepted[] = "{\"ok\": true,";
    struct submitter *s = &submitters[i];
    ssize_t n = read(fds[i].fd, s->answer + s->size, sizeof(s->answer) - s->size);

    check(n > 0, "read");
    s->size += (size_t)n;
    if (s->answer[s->size - 1] != '\n') {
        check(s->size < sizeof(s->answer), "the answer's length");
        return;
    }
    if (s->size < strlen(accepted) || memcmp(s->answer, accepted, strlen(accepted)) != 0) {
        fprintf(stderr, "submitters: %.*s", (int)s->size, s->answer);
        exit(EXIT_FAILURE);
    }
    waits_usec[n_done++] = now_usec() - s->sent_usec;
    if (n_begun < n_messages)
        hand_in(i);
}

static int compare(const void *a, const void *b)
{
    long long x = *(const long long *)a, y = *(const long long *)b;

    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    unsigned n_submitters = argc == 4 ? (unsigned)atoi(argv[2]) : 0;
    long long start;

    n_messages = argc == 4 ? (unsigned)atoi(argv[3]) : 0;
    if (n_submitters < 1 || n_submitters > SUBMITTERS_MAX || n_messages < n_submitters) {
        fputs("usage: submitters SOCKET SUBMITTERS MESSAGES\n", stderr);
        return 2;
    }
    waits_usec = calloc(n_messages, sizeof(*waits_usec));
    check(waits_usec, "calloc");
    for (unsigned i = 0; i < n_submitters; i++)
        fds[i] = (struct pollfd){.fd = connect_to(argv[1]), .events = POLLIN};
    start = now_usec();
    for (unsigned i = 0; i < n_submitters; i++)
        hand_in(i);
    while (n_done < n_messages) {
        check(poll(fds, n_submitters, PATIENCE_MSEC) > 0, "poll");
        for (unsigned i = 0; i < n_submitters; i++)
            if (fds[i].revents)
                take_answer(i);
    }
    start = now_usec() - start;
    qsort(waits_usec, n_messages, sizeof(*waits_usec), compare);
    printf("{\"wall_usec\": %lld, \"p50_usec\": %lld, \"p99_usec\": %lld}\n", start,
           waits_usec[n_messages / 2], waits_usec[n_messages - 1 - n_messages / 100]);
    free(waits_usec);
    return 0;
}
