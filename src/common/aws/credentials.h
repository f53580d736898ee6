/* SPDX-License-Identifier: MIT */
/* AWS credentials: found by a chain of providers, cached, refreshed ahead of their expiry.
 *
 * A provider is one file, credentials-<name>.c, behind the two-entry table below. The chain asks
 * them in order; the first that is set up answers. A provider that is set up but fails ends the
 * chain: its reason is the answer, so that a typing error does not make the daemon use someone
 * else's keys. */
#pragma once

#include <sys/stat.h>

#include <errno.h>

#include <systemd/sd-event.h>

#include "aws/clock-skew.h"
#include "aws/profile.h"
#include "util/buffer.h"
#include "util/macro.h"

/* Reference-counted and never changed once made; wiped at the last unref. */
struct aws_credentials {
    unsigned references;
    char *access_key_id;
    char *secret_access_key;
    char *session_token; /* NULL: none */
    char *source; /* for people: "environment", "/run/.../aws.credentials, profile default" */
    uint64_t expiry_usec; /* on AWS's clock; USEC_INFINITY: never */
    char *path;           /* of the file that they stand in; NULL: none */
    struct stat stamp;    /* of that file when it was read */
};

/* Copies the strings. 0 or -ENOMEM. */
int aws_credentials_new(const char *access_key_id, const char *secret_access_key,
                        const char *session_token, const char *source, uint64_t expiry_usec,
                        struct aws_credentials **ret);
struct aws_credentials *aws_credentials_ref(struct aws_credentials *c);
struct aws_credentials *aws_credentials_unref(struct aws_credentials *c);
DEFINE_CLEANUP(struct aws_credentials *, aws_credentials_unref)

/* For providers, before the credentials are handed on: they stand in that file, and the cache looks
 * for newer ones when it changes (replaced, written to, or a link that leads elsewhere). 0 or
 * -ENOMEM; a file that has gone meanwhile counts as changed. */
int aws_credentials_set_file(struct aws_credentials *c, const char *path);

enum {
    CREDENTIALS_KEY_ID_MAX_BYTES = 1024,
    CREDENTIALS_SECRET_MAX_BYTES = 4096, /* as the signer takes */
    CREDENTIALS_TOKEN_MAX_BYTES = 12 * 1024,
};

/* For providers: keys go into HTTP headers, and none that AWS makes has a space, a line break or a
 * byte outside ASCII. NULL where they are fit, else what is wrong, "the secret access key has a
 * space, ...", which holds nothing of them. `session_token` may be NULL. */
const char *aws_credentials_flaw(const char *access_key_id, const char *secret_access_key,
                                 const char *session_token);

/* --- Providers --- */

enum credentials_outcome {
    CREDENTIALS_FOUND,
    CREDENTIALS_NOT_SET_UP,    /* nothing points here; `text` says what was looked for */
    CREDENTIALS_NO_ANSWER_YET, /* the same, but nobody answers where keys may be: there is nobody, or
                                the network is not up yet */
    CREDENTIALS_FAILED,        /* set up, but no usable keys; `text` says why and what to do */
    CREDENTIALS_UNREACHABLE,   /* set up, but who has the keys cannot be asked now: the network is
                                away, it is overloaded or down, it took too long. A later try may
                                succeed though nobody mends anything. `text` says why */
    CREDENTIALS_INTERCEPTED, /* set up, but a proxy or a network's sign-in page answers in the place
                                of STS, until somebody mends that */
    CREDENTIALS_METADATA_INTERCEPTED, /* the same in the place of a metadata service or a
                                         container's endpoint, which no proxy is asked for */
};

/* For an errno of this machine's: what lacks now (memory, descriptors) may be there later. */
static inline enum credentials_outcome credentials_outcome_of_errno(int error)
{
    return error == -EINVAL || error == -E2BIG ? CREDENTIALS_FAILED : CREDENTIALS_UNREACHABLE;
}

/* `text` is borrowed and never holds a secret; NULL with FOUND. `credentials` is borrowed; NULL
 * otherwise. Keys that have a flaw (above) count as failed. Whether keys have expired is for AWS to
 * say: a provider hands them out whatever this machine's clock shows. */
typedef void (*credentials_provider_done_fn)(void *userdata, enum credentials_outcome outcome,
                                             struct aws_credentials *credentials, const char *text);

struct credentials_provider;

struct credentials_provider_ops {
    /* Looks for keys and answers once by `done`, which may run inside this call. One fetch at a
     * time is asked of a provider. A negative errno means that `done` will not run. */
    int (*fetch)(struct credentials_provider *provider, credentials_provider_done_fn done,
                 void *userdata);
    /* Frees the provider; a fetch on its way ends without an answer. */
    void (*free)(struct credentials_provider *provider);
};

/* The head of each provider's own structure. */
struct credentials_provider {
    const struct credentials_provider_ops *ops;
    const char *name; /* for people: "environment" */
};

static inline void credentials_provider_free(struct credentials_provider *p)
{
    p->ops->free(p);
}
DEFINE_CLEANUP(struct credentials_provider *, credentials_provider_free)

/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_CREDENTIAL_EXPIRATION. */
int credentials_environment_new(struct credentials_provider **ret);

/* aws_access_key_id and so on in one of the shared files: $CREDENTIALS_DIRECTORY/aws.credentials or
 * aws.config where systemd passes it, else AWS_SHARED_CREDENTIALS_FILE or AWS_CONFIG_FILE, else
 * ~/.aws/credentials or ~/.aws/config. `profile`: NULL or "" for AWS_PROFILE, AWS_DEFAULT_PROFILE,
 * "default". A profile that was asked for and is in neither file is an error. Read anew at each
 * fetch. */
int credentials_files_new(enum aws_profile_file kind, const char *profile,
                          struct credentials_provider **ret);

/* --- Chain and cache ---
 *
 * The expiry of keys says when to look for newer ones, and no more: this machine's clock may be
 * hours ahead. Keys that have expired by it, and to which no newer ones are found, are used until
 * AWS refuses them. */

struct credentials;
struct credentials_slot; /* a caller waiting */

enum {
    CREDENTIALS_PROVIDERS_MAX = 16,
    CREDENTIALS_WAITING_MAX = 4096,
};

/* How long to go on asking a place where nobody answers, before it counts as not set up: the
 * network, or what hands out the keys, may come up after the service. */
#define CREDENTIALS_NO_ANSWER_MAX_USEC (60 * USEC_PER_SEC)
#define CREDENTIALS_REFRESH_AHEAD_USEC (15 * 60 * USEC_PER_SEC) /* plus up to a third as jitter */
#define CREDENTIALS_FILE_CHECK_USEC (5 * USEC_PER_SEC)     /* between looks at a file's stamp */
#define CREDENTIALS_REFRESH_RETRY_USEC (60 * USEC_PER_SEC) /* between failed refreshes */

/* `credentials` is NULL where none were found: then `error` is one line that names each place
 * looked at and what was found there. Both are borrowed. `outcome` is that of the provider that
 * ended the walk; NOT_SET_UP: none is. NOT_REACHED: none is, but one was not reached, and it has
 * not been asked for CREDENTIALS_NO_ANSWER_MAX_USEC yet: a later try may find it there. Where the
 * keys in use had come from it, it is UNREACHABLE for good. */
typedef void (*credentials_done_fn)(void *userdata, enum credentials_outcome outcome,
                                    struct aws_credentials *credentials, const char *error);

/* Takes the providers, in the order to ask them, also on failure. 0, -ENOMEM, -E2BIG. */
int credentials_new(sd_event *event, struct credentials_provider **providers, size_t n,
                    struct credentials **ret);

/* Callers still waiting are dropped silently. Not from inside a callback. */
struct credentials *credentials_free(struct credentials *c);
DEFINE_CLEANUP(struct credentials *, credentials_free)

/* The cached credentials where they are valid now, without waiting, else NULL; starts a refresh in
 * the background when they are near their expiry, or when the file that they stand in has changed.
 * Borrowed: take a reference to keep them. */
struct aws_credentials *credentials_peek(struct credentials *c);

/* Asks for credentials. `done` runs once, later, never inside this call. All who ask at once share
 * one walk along the chain. `*ret` is valid until then, or until it is cancelled. The callback may
 * ask again and cancel others. 0, -ENOMEM, or -EBUSY where CREDENTIALS_WAITING_MAX wait (cancelled
 * ones count until the walk ends). */
int credentials_get(struct credentials *c, credentials_done_fn done, void *userdata,
                    struct credentials_slot **ret);
struct credentials_slot *credentials_slot_cancel(struct credentials_slot *slot);

/* The estimate of AWS's clock, by which the expiry of keys is judged; borrowed. NULL, as in the
 * beginning: this machine's clock. */
void credentials_set_skew(struct credentials *c, const struct clock_skew *skew);

/* AWS has refused these: unless the cache already holds others, the next get walks the chain anew.
 */
void credentials_refused(struct credentials *c, const struct aws_credentials *refused);
