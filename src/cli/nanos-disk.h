/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "volt.h"

#include "base/macro.h"

/* What the commands about a Nanos disk have in common. */
#define OPTION_BASE(variable)                                        \
	{                                                            \
		"base", 0, POPT_ARG_STRING, variable, 0,             \
			"The disk that an overlay lies over", "FILE" \
	}

#define OPTION_BOOTFS(variable)                                                       \
	{                                                                             \
		"bootfs", 0, POPT_ARG_NONE, variable, 0,                              \
			"The file system with the kernel instead of the root's", NULL \
	}

int open_nanos_disk(struct volt_ctx *ctx, const char *disk, const char *base, bool bootfs,
		    struct volt_nanos **ret, struct volt_error *e);

DEFINE_CLEANUP(struct volt_nanos *, volt_nanos_free)

/* A name from a disk, with nothing in it that moves the cursor. */
void print_name(FILE *f, const char *name);
