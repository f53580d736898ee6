/* SPDX-License-Identifier: MIT */
/* Runs a program and writes what it used to a file, as one JSON object: measure FILE PROGRAM
 * [ARG...]
 *
 * The kernel hands a process's peak memory on to the program that it executes, so that a child
 * started by an interpreter seems to have been as large as that. This program is smaller than
 * anything it measures. SIGTERM and SIGINT are passed on; the exit status is the program's, or 128
 * and its signal. The program does not outlive this one. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/macro.h"

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

static void run_program(char **arguments, const sigset_t *former_signals)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigprocmask(SIG_SETMASK, former_signals, NULL);
    execvp(arguments[0], arguments);
    fprintf(stderr, "measure: %s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

/* Until the child has ended. */
static int wait_for(pid_t child, const sigset_t *signals, struct rusage *ret)
{
    int status = 0;

    for (;;) {
        int number = sigwaitinfo(signals, NULL);

        if (number == SIGTERM || number == SIGINT)
            kill(child, number);
        else if (number == SIGCHLD && wait4(child, &status, WNOHANG, ret) == child)
            return status;
    }
}

int main(int argc, char **argv)
{
    struct rusage usage = {};
    sigset_t signals, former;
    long long start;
    int status;
    pid_t child;
    FILE *file;

    if (argc < 3) {
        fputs("usage: measure FILE PROGRAM [ARG...]\n", stderr);
        return 2;
    }
    file = fopen(argv[1], "we");
    if (!file) {
        fprintf(stderr, "measure: %s: %s\n", argv[1], strerror(errno));
        return 2;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, &former);
    start = now_usec();
    child = fork();
    if (child == 0)
        run_program(argv + 2, &former);
    if (child < 0) {
        fprintf(stderr, "measure: fork: %s\n", strerror(errno));
        return 2;
    }
    status = wait_for(child, &signals, &usage);
    fprintf(file, "{\"wall_usec\":%lld,\"user_usec\":%lld,\"system_usec\":%lld,\"peak_kib\":%ld}\n",
            now_usec() - start, usec_of(usage.ru_utime), usec_of(usage.ru_stime), usage.ru_maxrss);
    if (fclose(file) != 0)
        return 2;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
