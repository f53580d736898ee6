/* SPDX-License-Identifier: MIT */
/* The exec handler runs this program in a test. It prints what it was started with (descriptors,
 * signals, environment and so on), one line each. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

static void print_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    struct dirent *e;

    if (!d)
        exit(1);
    while ((e = readdir(d)))
        if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(d))
            printf("descriptor %s\n", e->d_name);
    closedir(d);
}

static void print_signals(void)
{
    sigset_t blocked;

    sigprocmask(SIG_SETMASK, NULL, &blocked);
    for (int i = 1; i < SIGRTMIN; i++) {
        struct sigaction action;

        if (sigismember(&blocked, i) == 1)
            printf("blocked %d\n", i);
        if (sigaction(i, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
            printf("not default %d\n", i);
    }
}

int main(int argc, char **argv)
{
    size_t n = 0;

    for (int i = 0; i < argc; i++)
        printf("argument %s\n", argv[i]);
    print_descriptors();
    print_signals();
    printf("group %s\n", getpgrp() == getpid() ? "own" : "another's");
    printf("input at %ld\n", (long)lseek(STDIN_FILENO, 0, SEEK_CUR));
    while (getchar() != EOF)
        n++;
    printf("input %zu bytes\n", n);
    for (char **e = environ; *e; e++)
        printf("variable %s\n", *e);
    return 0;
}
