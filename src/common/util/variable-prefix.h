/* SPDX-License-Identifier: MIT */
/* How the names of the environment's variables begin that hold settings of this program. Programs
 * that it starts do not inherit them. */
#pragma once

#define SETTING_VARIABLE_PREFIX "SQS_DEMO_"
