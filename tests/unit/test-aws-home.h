/* SPDX-License-Identifier: MIT */
/* For tests of credential providers: a home directory of their own with AWS's files, nothing of the
 * tester's environment, and a fetch that is waited for. */
#pragma once

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aws/credentials.h"
#include "test-loop.h"

/* In every value that must not come out. */
#define SECRET "hidden-secret"

static char aws_home[64];

static inline void aws_home_path(const char *name, char *ret, size_t size)
{
    snprintf(ret, size, "%s/%s", aws_home, name);
}

static inline void aws_home_write(const char *name, const char *text)
{
    char path[160];
    FILE *f;

    aws_home_path(name, path, sizeof(path));
    f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* Takes all AWS variables out of the environment and leaves two empty files. */
static inline void aws_home_reset(void)
{
    extern char **environ;
    char name[128];

    for (char **e = environ; *e;) {
        size_t n = strcspn(*e, "=");

        if (strncmp(*e, "AWS_", 4) == 0 && n < sizeof(name)) {
            memcpy(name, *e, n);
            name[n] = '\0';
            unsetenv(name);
            e = environ;
        } else {
            e++;
        }
    }
    unsetenv("CREDENTIALS_DIRECTORY");
    setenv("HOME", aws_home, 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    aws_home_write(".aws/config", "");
    aws_home_write(".aws/credentials", "");
}

/* As ProtectHome= of systemd does, for a user who is not root; and back. */
static inline void aws_home_hide(bool is_hidden)
{
    if (!is_hidden && getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(aws_home, is_hidden ? 0 : 0700), 0);
    if (is_hidden && getuid() == 0)
        assert_int_equal(seteuid(65534), 0);
}

static inline int aws_home_make(void **state)
{
    char path[160];

    strcpy(aws_home, "/tmp/test-aws-home.XXXXXX");
    if (!mkdtemp(aws_home))
        return -1;
    aws_home_path(".aws", path, sizeof(path));
    return mkdir(path, 0700);
}

static inline int aws_home_remove(void **state)
{
    static const char *const names[] = {".aws/config", ".aws/credentials", "token", ".aws"};
    char path[160];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        aws_home_path(names[i], path, sizeof(path));
        remove(path);
    }
    return rmdir(aws_home);
}

/* What a provider answered, copied. */
struct answer {
    unsigned n;
    enum credentials_outcome outcome;
    struct aws_credentials *credentials;
    char text[8192];
};

static inline void on_answer(void *userdata, enum credentials_outcome outcome,
                             struct aws_credentials *credentials, const char *text)
{
    struct answer *a = userdata;

    a->n++;
    a->outcome = outcome;
    assert_true((outcome == CREDENTIALS_FOUND) == (credentials != NULL));
    assert_true((outcome == CREDENTIALS_FOUND) == (text == NULL));
    if (credentials)
        a->credentials = aws_credentials_ref(credentials);
    snprintf(a->text, sizeof(a->text), "%s", text ? text : "");
    assert_null(strstr(a->text, SECRET));
    assert_null(strchr(a->text, '\n'));
}

static inline void answer_reset(struct answer *a)
{
    aws_credentials_unref(a->credentials);
    *a = (struct answer){};
}

static inline void answer_reset_cleanup(struct answer *a)
{
    answer_reset(a);
}

/* Fetches anew and waits for the one answer. */
static inline void fetch_answer(sd_event *event, struct credentials_provider *p, struct answer *a)
{
    answer_reset(a);
    credentials_provider_fetch(p, on_answer, a);
    run_until(event, &a->n, 1);
    run_for(event, 0);
    assert_int_equal(a->n, 1);
}

static inline void assert_text_has(const struct answer *a, const char *words)
{
    if (!strstr(a->text, words))
        fail_msg("no \"%s\" in \"%s\"", words, a->text);
}
