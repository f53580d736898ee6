/* SPDX-License-Identifier: MIT */
/* One source of AWS keys: the environment, a file, a program, a metadata service, STS.
 *
 * Each provider is one file, credentials-<name>.c, behind the small table below. This file has the
 * common part: a provider is asked, it starts to look, it gives one answer, it is freed. So a
 * provider's own file contains only how it looks for keys.
 *
 * A fetch has exactly one answer. This file turns an errno from `start` into an answer. A fetch
 * that is cancelled, because the provider is freed or asked again, has no answer. */
#pragma once

#include "aws/credentials-json.h"
#include "aws/credentials-value.h"
#include "aws/profile.h"
#include "util/buffer.h"

enum credentials_outcome {
    CREDENTIALS_FOUND,
    CREDENTIALS_NOT_SET_UP, /* no setting selects this provider; `text` says what it looked for */
    CREDENTIALS_NO_ANSWER_YET, /* no setting selects this provider, and nobody answers at its usual
                                  address: no service is there, or the network is not up yet */
    CREDENTIALS_FAILED,        /* set up, but no usable keys; `text` says why and what to do */
    CREDENTIALS_UNREACHABLE,   /* set up, but the service that has the keys cannot be asked now: the
                                  network is down, the service is overloaded, or it took too long. A
                                  later try may succeed without a repair. `text` says why */
    CREDENTIALS_SHORTAGE,      /* set up, but this machine is short of memory, file descriptors or
                                  processes (ENOMEM, EMFILE, EAGAIN), or its disk failed (EIO).
                                  Nobody was asked. A later try may succeed. `text` names the
                                  error */
    CREDENTIALS_INTERCEPTED,   /* set up, but a proxy or a network's sign-in page answers instead of
                                  STS, until a person repairs that */
    CREDENTIALS_METADATA_INTERCEPTED, /* the same, instead of a metadata service or a container's
                                         endpoint, for which no proxy is used */
};

/* The outcome of a fetch that failed with this negative errno before anybody was asked. */
enum credentials_outcome credentials_outcome_of_errno(int error);

/* `text` is borrowed, is one line and never contains a secret; NULL with FOUND. `credentials` is
 * borrowed; NULL with all other outcomes. A provider also returns keys that have expired: only AWS
 * can decide whether they still work, since this machine's clock may be wrong. */
typedef void (*credentials_provider_done_fn)(void *userdata, enum credentials_outcome outcome,
                                             struct aws_credentials *credentials, const char *text);

enum {
    CREDENTIALS_PROVIDERS_MAX = 16,           /* in one sequence */
    CREDENTIALS_ANSWER_MAX_BYTES = 32 * 1024, /* of an answer: a sequence joins several texts */
};

struct credentials_provider;

struct credentials_provider_ops {
    /* Looks for keys. It answers once, with credentials_provider_found or _fail, inside this call
     * or later. Or it returns a negative errno and does not answer. All other returns mean the
     * same. */
    int (*start)(struct credentials_provider *provider);
    /* Ends a fetch that is under way, without an answer, and frees its state. Runs before each
     * start, after a start that failed, and before the provider is freed. NULL: `start` always
     * answers or fails before it returns, and leaves no state behind. */
    void (*stop)(struct credentials_provider *provider);
    /* Frees what the provider's own members own, but not the structure. NULL: they own nothing. */
    void (*free)(struct credentials_provider *provider);
};

/* The first member of each provider's own structure. */
struct credentials_provider {
    const struct credentials_provider_ops *ops;
    const char *name; /* for people: "environment" */
    char *profile;    /* the name that was set; NULL: the environment's */

    credentials_provider_done_fn done; /* NULL: no fetch is under way */
    void *userdata;
};

/* Asks for keys. `done` runs once, maybe inside this call. It may fetch again, but must not free
 * the provider. A fetch that is still under way is cancelled. */
void credentials_provider_fetch(struct credentials_provider *provider,
                                credentials_provider_done_fn done, void *userdata);

/* Ends a fetch that is under way, without an answer. */
void credentials_provider_cancel(struct credentials_provider *provider);

/* Cancels a fetch that is under way. */
void credentials_provider_free(struct credentials_provider *provider);
DEFINE_CLEANUP(struct credentials_provider *, credentials_provider_free)

/* --- For the files that implement providers --- */

enum {
    CREDENTIALS_TEXT_MAX_BYTES = 16 * 1024, /* of one provider: two paths and a profile's name */
    CREDENTIALS_NAME_SHOWN_BYTES = 200,     /* of a profile's name, in an answer */
};

/* Allocates a provider's structure of `size` bytes, zeroed but for its first member. `name` is
 * borrowed. `profile` is copied; NULL and "" are both "not set". 0 or -ENOMEM. */
int credentials_provider_new(size_t size, const struct credentials_provider_ops *ops,
                             const char *name, const char *profile,
                             struct credentials_provider **ret);

/* The answers. Both end the fetch; when they return, another may already be under way. An empty
 * `text` counts as "out of memory", since a buffer without memory is empty. Keys with a flaw
 * (credentials-value.h) are not passed on: the answer is FAILED, and its text is the flaw. */
void credentials_provider_found(struct credentials_provider *provider,
                                struct aws_credentials *credentials);
void credentials_provider_fail(struct credentials_provider *provider,
                               enum credentials_outcome outcome, const char *text);

/* Gives the answer of another provider, or of STS, as the answer of this provider. */
void credentials_provider_answer(struct credentials_provider *provider,
                                 enum credentials_outcome outcome,
                                 struct aws_credentials *credentials, const char *text);

/* The name of the profile to look at. Borrowed from the provider or from the environment. */
const char *credentials_provider_profile(const struct credentials_provider *provider);

/* Appends "profile <name>", escaped. */
void credentials_append_profile(struct buffer *text, const char *profile);

/* Answers NOT_SET_UP, "profile <name> has no <setting>". */
void credentials_provider_lacks(struct credentials_provider *provider, const char *setting);

/* Reads the shared files. If `looked_at` is not NULL, aws_files_read appends to it. 0; a negative
 * errno; or 1 if a file is malformed or unreadable: then the provider has answered FAILED. */
int credentials_provider_read_files(struct credentials_provider *provider,
                                    struct aws_profiles **ret, struct buffer *looked_at);

/* Makes credentials from JSON. `source`: see aws_credentials_new. The returns are those of
 * credentials_json_parse. */
int credentials_provider_read_json(enum credentials_json_form form, const char *text,
                                   size_t text_bytes, const char *source,
                                   struct aws_credentials **ret, char **error);
