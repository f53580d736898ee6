/* SPDX-License-Identifier: MIT */
/* The file of --rest: it receives lines that the daemon has not taken, byte by byte and in order.
 * It always ends at the end of a line, or with the last bytes of the input. */
#pragma once

#include "util/macro.h"

/* A plain value: REST_FILE_INIT. */
struct rest_file {
    int fd;                /* -1: there is no such file, and nothing is written */
    const char *path;      /* borrowed */
    int error;             /* 0, or the negative errno of the first write that failed */
    uint64_t missing_from; /* with `error`: the number of the first line that is missing */
    uint64_t n_lines;      /* written, a last one without its end included */
    uint64_t boundary;     /* bytes up to the last newline */
    uint64_t bytes;
};

#define REST_FILE_INIT ((struct rest_file){.fd = -1})

/* Makes the file, or opens one that is empty; so earlier lines are never overwritten. `path` must
 * stay valid until rest_file_end. Returns 0, a negative errno, or one of the conditions. */
enum {
    REST_FILE_E_NOT_EMPTY = 1,
    REST_FILE_E_IS_INPUT = 2,  /* it is the file of the descriptor `input_fd` */
    REST_FILE_E_IN_USE = 3,    /* another process writes its lines there */
    REST_FILE_E_IS_OUTPUT = 4, /* it is standard output or standard error */
};
int rest_file_open(struct rest_file *rest, const char *path, int input_fd);

/* Writes bytes that begin in the line `number` of the input. After an error it does nothing. Blocks
 * while the disk works. */
void rest_file_write(struct rest_file *rest, uint64_t number, const char *bytes, size_t size);

/* The file lacks lines, from the line `number` on, for this reason. */
void rest_file_fail(struct rest_file *rest, uint64_t number, int error);

/* Syncs the file and, when it has lines, its folder; then closes it. Returns 0 or the first
 * error. */
int rest_file_end(struct rest_file *rest);
