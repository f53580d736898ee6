/* SPDX-License-Identifier: MIT */
/* Where log entries go (log.h): chosen by the configuration, which is read before there is a
 * log. */
#pragma once

enum log_target {
    LOG_TARGET_AUTO, /* the journal under systemd, else standard error */
    LOG_TARGET_JOURNAL,
    LOG_TARGET_STDERR,
};
