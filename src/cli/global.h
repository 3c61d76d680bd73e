/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <popt.h>

/* What stands before the command. */
struct global {
	const char *log_level, *qemu, *root;
	int version;
};
extern struct global global;
extern const struct poptOption global_options[];
