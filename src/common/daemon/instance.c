/* SPDX-License-Identifier: MIT */
#include "daemon/instance.h"

#include <stdio.h>

#include "util/ascii.h"

const char *instance_name_fault(const char *name)
{
    if (!is_ascii_name(name, 1, INSTANCE_NAME_MAX_BYTES, "-_.") || !is_letter_or_digit(name[0]))
        return "the name of an instance has 1 to 64 letters, digits, \"-\", \"_\" and \".\", and "
               "begins with a letter or a digit";
    if (streq(name, "submit"))
        return "no instance may have this name, because its socket would be that of " PRODUCER_NAME
               ".service";
    return NULL;
}

struct instance_text instance_unit(const char *daemon, const char *name, const char *suffix)
{
    struct instance_text t;

    snprintf(t.text, sizeof(t.text), "%s%s%s%s", daemon, name ? "@" : "", name ? name : "", suffix);
    return t;
}

struct instance_text instance_config_path(const char *name)
{
    struct instance_text t;

    if (name)
        snprintf(t.text, sizeof(t.text), CONFIG_INSTANCE_FOLDER "/%s.conf", name);
    else
        snprintf(t.text, sizeof(t.text), CONFIG_PATH);
    return t;
}

struct instance_text instance_submit_socket(const char *name)
{
    struct instance_text t;

    if (name)
        snprintf(t.text, sizeof(t.text), "/run/" PRODUCER_NAME "/%s.socket", name);
    else
        snprintf(t.text, sizeof(t.text), CONFIG_SUBMIT_SOCKET);
    return t;
}

struct instance_text instance_state_folder(const char *daemon, const char *name)
{
    struct instance_text t;

    snprintf(t.text, sizeof(t.text), "/var/lib/%s%s%s", daemon, name ? "@" : "", name ? name : "");
    return t;
}
