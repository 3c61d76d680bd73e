/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volt.h"

#define OPTION_PRUNE_ALL(variable)                                           \
	{                                                                    \
		"all", 'a', POPT_ARG_NONE, variable, 0,                      \
			"Also images with a name that no machine uses", NULL \
	}
#define OPTION_FORCE(variable)                                                     \
	{                                                                          \
		"force", 'f', POPT_ARG_NONE, variable, 0, "Do not ask first", NULL \
	}

/* Each removes, prints the ids of what it removed, and returns 0 or a negative errno. */
int prune_machines(struct volt_ctx *ctx, struct volt_error *e);
int prune_images(struct volt_ctx *ctx, bool every, struct volt_error *e);
