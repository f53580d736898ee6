/* SPDX-License-Identifier: MIT */
/* One source of AWS keys: the environment, a file, a program, a metadata service, STS.
 *
 * A provider is one file, credentials-<name>.c, behind the small table below. This file has what all
 * of them share: a provider is asked, it starts to look, it gives one answer, it is freed. So a
 * provider's own file says only where it looks.
 *
 * What always holds: a fetch has exactly one answer. An errno from `start` is turned into an answer
 * here. A fetch that is cancelled, by freeing the provider or by another fetch, has none. */
#pragma once

#include "aws/credentials-json.h"
#include "aws/credentials-value.h"
#include "aws/profile.h"
#include "util/buffer.h"

enum credentials_outcome {
    CREDENTIALS_FOUND,
    CREDENTIALS_NOT_SET_UP, /* nothing points to this provider; `text` says what was looked for */
    CREDENTIALS_NO_ANSWER_YET, /* nothing points to this provider, and nobody answers at the place
                                  where it looks anyway: there is nobody, or the network is not up */
    CREDENTIALS_FAILED,        /* set up, but no usable keys; `text` says why and what to do */
    CREDENTIALS_UNREACHABLE, /* set up, but the holder of the keys cannot be asked now: the network
                                  is down, it is overloaded, it took too long. A later try may succeed
                                  although nobody repairs anything. `text` says why */
    CREDENTIALS_SHORTAGE,    /* the same, because this machine is short of memory, file descriptors
                             or processes (ENOMEM, EMFILE, EAGAIN), or its disk failed (EIO):
                             nobody was asked. `text` names the error */
    CREDENTIALS_INTERCEPTED, /* set up, but a proxy or a network's sign-in page answers in the place
                                  of STS, until somebody repairs that */
    CREDENTIALS_METADATA_INTERCEPTED, /* the same in the place of a metadata service or a
                                         container's endpoint, which no proxy is asked for */
};

/* The outcome of a fetch that failed with this negative errno before anybody was asked. */
enum credentials_outcome credentials_outcome_of_errno(int error);

/* `text` is borrowed, is one line and never holds a secret; NULL with FOUND. `credentials` is
 * borrowed; NULL with all other outcomes. A provider hands out keys that have expired, too: whether
 * they still work is for AWS to say, since this machine's clock may be wrong. */
typedef void (*credentials_provider_done_fn)(void *userdata, enum credentials_outcome outcome,
                                             struct aws_credentials *credentials, const char *text);

enum { CREDENTIALS_PROVIDERS_MAX = 16 }; /* in one chain or sequence */

struct credentials_provider;

struct credentials_provider_ops {
    /* Looks for keys. It answers once, by credentials_provider_found or _fail, inside this call or
     * later; or returns a negative errno, and does not answer. 0 and positive returns are alike. */
    int (*start)(struct credentials_provider *provider);
    /* Ends a fetch that is under way, without an answer, and forgets what belonged to it. Runs before
     * each start, after a start that failed, and before the provider is freed. NULL: `start` always
     * answers, and leaves nothing behind. */
    void (*stop)(struct credentials_provider *provider);
    /* Frees what the provider's own members hold, but not the structure. NULL: they hold nothing. */
    void (*free)(struct credentials_provider *provider);
};

/* The first member of each provider's own structure. */
struct credentials_provider {
    const struct credentials_provider_ops *ops;
    const char *name; /* for people: "environment" */
    char *profile;    /* as it was set; NULL: the environment's */

    credentials_provider_done_fn done; /* NULL: no fetch is under way */
    void *userdata;
};

/* Asks for keys. `done` runs once, maybe inside this call; it may fetch again, but not free the
 * provider. A fetch that is still under way is cancelled. */
void credentials_provider_fetch(struct credentials_provider *provider,
                                credentials_provider_done_fn done, void *userdata);

/* Ends a fetch that is under way, without an answer. */
void credentials_provider_cancel(struct credentials_provider *provider);

/* Cancels a fetch that is under way. */
void credentials_provider_free(struct credentials_provider *provider);
DEFINE_CLEANUP(struct credentials_provider *, credentials_provider_free)

/* --- For the files that implement providers --- */

enum {
    CREDENTIALS_TEXT_MAX_BYTES = 16 * 1024, /* of an answer: two paths and a profile's name */
    CREDENTIALS_NAME_SHOWN_BYTES = 200,     /* of a profile's name, in an answer */
};

/* Allocates a provider's structure of `size` bytes, zeroed but for its first member. `name` is
 * borrowed. `profile` is copied; NULL and "" are both "not set". 0 or -ENOMEM. */
int credentials_provider_new(size_t size, const struct credentials_provider_ops *ops,
                             const char *name, const char *profile,
                             struct credentials_provider **ret);

/* The answers. Both end the fetch: afterwards another may already be under way. `text` that is empty,
 * as a buffer is for which there was no memory, counts as "out of memory". */
void credentials_provider_found(struct credentials_provider *provider,
                                struct aws_credentials *credentials);
void credentials_provider_fail(struct credentials_provider *provider,
                               enum credentials_outcome outcome, const char *text);

/* Passes on the answer of another provider, or of STS, as this one's. */
void credentials_provider_answer(struct credentials_provider *provider,
                                 enum credentials_outcome outcome,
                                 struct aws_credentials *credentials, const char *text);

/* The name of the profile to look at. Borrowed from the provider or from the environment. */
const char *credentials_provider_profile(const struct credentials_provider *provider);

/* Appends "profile <name>", escaped. */
void credentials_append_profile(struct buffer *text, const char *profile);

/* Answers NOT_SET_UP, "profile <name> has no <setting>". */
void credentials_provider_lacks(struct credentials_provider *provider, const char *setting);

/* Reads the shared files. `looked_at`, if not NULL, is appended to as by aws_files_read. 0; a negative
 * errno; or 1 where a file is malformed or unreadable: then the provider has answered FAILED. */
int credentials_provider_read_files(struct credentials_provider *provider,
                                    struct aws_profiles **ret, struct buffer *looked_at);

/* Makes credentials of JSON; `source` as for aws_credentials_new. Returns as credentials_json_parse
 * does. */
int credentials_provider_read_json(enum credentials_json_form form, const char *text,
                                   size_t text_bytes, const char *source,
                                   struct aws_credentials **ret, char **error);
