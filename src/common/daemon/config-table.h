/* SPDX-License-Identifier: MIT */
/* The table of all settings, private to the config files. Reading, checking and showing the
 * settings all use it, and so does what describes them (config-document.h). */
#pragma once

#include <libconfig.h>

#include "daemon/config.h"

enum setting_kind {
    SETTING_STRING,        /* char * */
    SETTING_STRINGS,       /* char **, NULL-terminated; an array of texts */
    SETTING_CHOICE,        /* int, written as one of a few names */
    SETTING_BOOL,          /* bool */
    SETTING_DURATION,      /* uint64_t microseconds, written in seconds */
    SETTING_WHOLE_SECONDS, /* uint64_t microseconds, written in whole seconds */
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
    enum config_reload reload;
    bool zero_needs_restart; /* a change from 0 or to 0 */
    size_t offset;           /* in struct config */
    const char *unit;        /* of a number as it is written; "": none */
    uint64_t min, max;       /* of a stored number, both included */
    uint64_t value;          /* the default as it is stored; not for strings */
    bool has_demo_value;     /* then demo_value is the default for the demo */
    uint64_t demo_value;
    const char *string;                /* the default of SETTING_STRING; NULL: it must be set */
    size_t strings_max;                /* SETTING_STRINGS: the bound; the default is none */
    const char *allowed;               /* for strings: what is allowed, in words */
    bool (*check)(const char *string); /* for SETTING_STRINGS: called for each */
    const struct setting_choice *choices;
    bool is_url;
    bool is_own;      /* an instance does not have it from a file before its own: two daemons cannot
                    listen at one address */
    const char *doc;  /* one line */
    const char *text; /* a paragraph of sentences; `code` stands in backquotes */
    /* A value in the file's syntax, where the default is none or shows nothing; NULL: none. */
    const char *example;
};

enum { CONFIG_SETTINGS_MAX = 64 };

extern const struct setting config_settings[];
extern const size_t config_n_settings;

const struct setting *config_find_setting(const char *group, const char *name); /* NULL: none */
bool config_is_group(const char *name);

/* The address of the setting's value. */
static inline void *config_field(const struct config *config, const struct setting *s)
{
    return (char *)(uintptr_t)config + s->offset;
}

/* The defaults in force. Some numbers have one with producer.source "demo" or consumer.handler
 * "journal", and another elsewhere; that of producer.submit_socket depends on the instance, and so
 * does whether an instance has the default of a setting that is its own. */
bool config_default_depends(const struct setting *s); /* on such another */
uint64_t config_default_number(const struct config *config, const struct setting *s);
struct config_text {
    char text[256];
};
struct config_text config_default_text(const struct config *config, const struct setting *s);

/* A value that is no text, as it is stored. */
uint64_t config_number(const struct config *config, const struct setting *s);

/* ---- Where values come from ---- */

/* Later ones win. */
enum config_origin_kind {
    CONFIG_FROM_DEFAULT,
    CONFIG_FROM_FILE,
    CONFIG_FROM_ENVIRONMENT,
    CONFIG_FROM_COMMAND_LINE,
};

struct config_origin {
    enum config_origin_kind kind;
    size_t file; /* the index in config_origins.files */
    unsigned line;
};

/* By the index of the setting in the table. */
struct config_origins {
    struct config_origin of[CONFIG_SETTINGS_MAX];
    char *files[CONFIG_FILES_MAX]; /* paths, as they were given */
    size_t n_files;
    unsigned group_lines[CONFIG_SETTINGS_MAX]; /* where the last file has the setting's group */
};

/* For error lines (config-format.c): the value in the file, and the values that are allowed. */
void config_append_found(struct buffer *b, const config_setting_t *node);
void config_append_found_text(struct buffer *b, const char *text); /* as it was written */
void config_append_allowed(struct buffer *b, const struct setting *s);

/* A value that is no text, in the file's syntax. */
void config_append_value(struct buffer *b, const struct setting *s, uint64_t value);

/* The value of any setting for a log line: it is short, and has no secrets. Long texts are cut, parts
 * of URLs are masked, and of an array only the first text is shown. */
void config_append_shown(struct buffer *b, const struct config *config, const struct setting *s);

/* The name of the setting's environment variable, such as SQS_DEMO_PRODUCER_BATCH_SIZE. */
void config_append_variable(struct buffer *b, const struct setting *s);
