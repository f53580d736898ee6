/* SPDX-License-Identifier: MIT */
/* An instance of a daemon works on a queue of its own, beside the plain daemon and other instances.
 * Its name is part of its files, its socket and its units:
 *
 *    CONFIG_INSTANCE_FOLDER/NAME.conf   settings, over those of CONFIG_PATH
 *    /run/sqs-producerd/NAME.socket     where programs submit messages to it
 *    sqs-producerd@NAME, sqs-consumerd@NAME
 *
 * Everywhere, the name NULL stands for the plain daemon. */
#pragma once

#include "util/macro.h"

/* The names of the daemons: of their programs, units and folders. */
#define PRODUCER_NAME "sqs-producerd"
#define CONSUMER_NAME "sqs-consumerd"

/* The default of producer.submit_socket for the plain daemon. */
#define CONFIG_SUBMIT_SOCKET "/run/" PRODUCER_NAME "/submit.socket"

enum { INSTANCE_NAME_MAX_BYTES = 64 };

/* Returns NULL for a good name: 1 to 64 letters of ASCII, digits, "-", "_" and ".", the first a
 * letter or a digit, and not "submit", whose socket is that of the plain daemon. For any other name
 * returns what is wrong and what is allowed, without the name. */
const char *instance_name_fault(const char *name);

/* The texts of good names, to be used at once:
 * instance_unit(PRODUCER_NAME, name, ".socket").text */
struct instance_text {
    char text[sizeof(CONFIG_INSTANCE_FOLDER) + INSTANCE_NAME_MAX_BYTES + 64];
};

/* "sqs-producerd" or "sqs-producerd@NAME", and the suffix. */
struct instance_text instance_unit(const char *daemon, const char *name, const char *suffix);

/* The path of the settings: CONFIG_PATH, or that of the instance's own. */
struct instance_text instance_config_path(const char *name);

/* The default of producer.submit_socket. */
struct instance_text instance_submit_socket(const char *name);

/* The folder that systemd gives to the unit: "/var/lib/sqs-producerd" or
 * "/var/lib/sqs-producerd@NAME". */
struct instance_text instance_state_folder(const char *daemon, const char *name);
