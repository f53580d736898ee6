/* SPDX-License-Identifier: MIT */
/* The table of settings as documents: a section of the manual, the commented example file, and the
 * words of the command line's completion. They are made while the project is built
 * (config-document-main.c), and depend on the table alone. */
#pragma once

#include "util/buffer.h"

/* Appends the settings as mdoc(7): a subsection for each group, an item for each setting. Returns 0
 * or -ENOMEM, which stays in the buffer. */
int config_document_manual(struct buffer *out);

/* Appends a file of settings with all of them, each with its default, and a comment before it. A
 * setting whose default is none, or depends on another setting, is in a comment. */
int config_document_example(struct buffer *out);

/* Appends a line for each setting: "GROUP.NAME", and the values that it can have if they are few,
 * each after a space. */
int config_document_completion(struct buffer *out);

/* Copies a text and replaces each line "@SETTINGS@" by what `make` appends. Returns 0, -ENOMEM, or
 * -EINVAL if there is no such line. */
int config_document_fill(const char *text, int (*make)(struct buffer *out), struct buffer *out);
