/* SPDX-License-Identifier: MIT */
/* Where log entries go, and how they look (log.h): chosen by the configuration, which is read
 * before there is a log. */
#pragma once

enum log_format {
    LOG_FORMAT_TEXT,
    LOG_FORMAT_JSON, /* on standard error; the journal has its fields anyway */
};

enum log_target {
    LOG_TARGET_AUTO, /* the journal under systemd, else standard error */
    LOG_TARGET_JOURNAL,
    LOG_TARGET_STDERR,
};
