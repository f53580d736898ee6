/* SPDX-License-Identifier: MIT */
/* Small helpers that every file may use: clean-up at the end of a scope, taking a pointer out of
 * its owner, units of time. Nothing here allocates or fails. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* `CLEANUP(foo_free) struct foo *f = NULL;` calls foo_free(f) when f leaves its scope.
 * DEFINE_CLEANUP, once beside the declaration of foo_free, makes this possible. */
#define CLEANUP(destructor) __attribute__((cleanup(destructor##_cleanup)))

#define DEFINE_CLEANUP(type, destructor)                                                           \
    static inline void destructor##_cleanup(type *p)                                               \
    {                                                                                              \
        if (*p)                                                                                    \
            destructor(*p);                                                                        \
    }

static inline void free_cleanup(void *p)
{
    free(*(void **)p);
}

/* Returns the value of a pointer (or another scalar with a null value) and sets it to null. It
 * passes on the ownership. */
#define TAKE(p)                                                                                    \
    ({                                                                                             \
        __typeof__(p) *_take_from = &(p);                                                          \
        __typeof__(p) _taken = *_take_from;                                                        \
        *_take_from = 0;                                                                           \
        _taken;                                                                                    \
    })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* The object whose member `member` is at `pointer`. */
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define PRINTF_FORMAT(format_at, first) __attribute__((format(printf, format_at, first)))

/* Times are unsigned microseconds, as in sd-event. */
#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_INFINITY UINT64_MAX

static inline bool streq(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* NULL and "" both mean "not set", as in the environment and in AWS's files. */
static inline bool is_set(const char *s)
{
    return s && s[0] != '\0';
}

/* Whether a negative errno means a temporary shortage of this machine, and says nothing about the
 * file or the program. */
static inline bool errno_is_transient(int r)
{
    return r == -ENOMEM || r == -EMFILE || r == -ENFILE || r == -EAGAIN || r == -EIO ||
           r == -ETXTBSY; /* the program's file is open for writing */
}

/* Whether this is a build with clang's or gcc's AddressSanitizer. */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER 1
#else
#define HAS_ADDRESS_SANITIZER 0
#endif
