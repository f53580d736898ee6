/* SPDX-License-Identifier: MIT */
/* The table of all settings: an inner part of config.c. Reading, checking and showing go by it. */
#pragma once

#include <libconfig.h>

#include "daemon/config.h"

enum setting_kind {
    SETTING_STRING,        /* char * */
    SETTING_STRINGS,       /* char **, NULL-terminated; an array of texts */
    SETTING_CHOICE,        /* int, written as one of a few names */
    SETTING_BOOL,          /* bool */
    SETTING_DURATION,      /* uint64_t microseconds, written in seconds */
    SETTING_WHOLE_SECONDS, /* the same, without fractions */
    SETTING_COUNT,         /* uint64_t */
    SETTING_SMALL_COUNT,   /* unsigned */
};

struct setting_choice {
    const char *name; /* NULL ends the list */
    int value;
};

struct setting {
    const char *group, *name;
    enum setting_kind kind;
    size_t offset;                     /* in struct config */
    const char *unit;                  /* of a number as it is written; "" where it has none */
    uint64_t min, max;                 /* of a number, as it is stored, both included */
    uint64_t value;                    /* the default of all but strings, as it is stored */
    const char *string;                /* the default of SETTING_STRING; NULL: it must be set */
    size_t strings_max;                /* SETTING_STRINGS: how many; by default there are none */
    const char *allowed;               /* of strings, in words */
    bool (*check)(const char *string); /* of SETTING_STRINGS: each */
    const struct setting_choice *choices;
    bool is_url;
    const char *doc; /* one line */
};

enum { CONFIG_SETTINGS_MAX = 64 };

extern const struct setting config_settings[];
extern const size_t config_n_settings;

/* Where the setting's value stands. */
static inline void *config_field(const struct config *config, const struct setting *s)
{
    return (char *)(uintptr_t)config + s->offset;
}

/* For complaints (config-format.c): what stands in the file, and what may stand there. */
void config_append_found(struct buffer *b, const config_setting_t *node);
void config_append_allowed(struct buffer *b, const struct setting *s);
