/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volt.h"

#define OPTION_NO_PROGRESS(variable)                                               \
	{                                                                          \
		"quiet", 'q', POPT_ARG_NONE, variable, 0, "Show no progress", NULL \
	}

/* Shows long operations of @ctx on one line of stderr, if that is a terminal. */
void progress_show(struct volt_ctx *ctx);

/* Takes the line away, if there is one. Before anything else is written there. */
void progress_clear(void);

/* What is worth saying but is no error goes to stderr, a line each, from @level on (as in
 * syslog). */
void progress_log(struct volt_ctx *ctx, int level);

/* Steps of something that takes minutes, where a person watches. */
void progress_steps(struct volt_ctx *ctx);
