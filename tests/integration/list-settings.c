/* SPDX-License-Identifier: MIT */
/* Prints a line for each setting of the table: its name, and when a reload changes it. */
#include <stdio.h>

#include "daemon/config-reload.h"
#include "daemon/config-table.h"

int main(void)
{
    for (size_t i = 0; i < config_n_settings; i++)
        printf("%s.%s %s\n", config_settings[i].group, config_settings[i].name,
               config_reload_name(config_settings[i].reload));
    return 0;
}
