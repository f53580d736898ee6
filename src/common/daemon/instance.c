/* SPDX-License-Identifier: MIT */
#include "daemon/instance.h"

#include <stdio.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

const char *instance_name_fault(const char *name)
{
    size_t size = strlen(name);

    if (size == 0 || size > INSTANCE_NAME_MAX_BYTES ||
        name[strspn(name, LETTERS DIGITS "-_.")] != '\0' || strchr("-_.", name[0]))
        return "the name of an instance has 1 to 64 letters, digits, \"-\", \"_\" and \".\", and "
               "begins "
               "with a letter or a digit";
    if (streq(name, "submit"))
        return "no instance may have this name, because its socket would be that of "
               "sqs-producerd.service";
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
        snprintf(t.text, sizeof(t.text), "/run/sqs-producerd/%s.socket", name);
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
