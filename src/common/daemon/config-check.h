/* SPDX-License-Identifier: MIT */
/* Whether a text may be the value of a setting. What is allowed stands in the setting's row of
 * config-table.c. */
#pragma once

#include "util/macro.h"

bool config_is_region(const char *s);
bool config_is_url(const char *s);
bool config_is_url_or_empty(const char *s);
bool config_is_profile(const char *s);
bool config_is_absolute_path_or_empty(const char *s);
bool config_is_word(const char *s);
bool config_is_socket_path(const char *s);
bool config_is_handler_url_or_empty(const char *s);
bool config_is_content_type(const char *s);
bool config_is_message_group_id(const char *s);
bool config_is_metrics_address_or_empty(const char *s);
