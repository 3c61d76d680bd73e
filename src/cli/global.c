/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/global.h"

#include <stddef.h>

struct global global = { .log_level = "warning" };

const struct poptOption global_options[] = {
	{ "log-level", 0, POPT_ARG_STRING, &global.log_level, 0,
	  "What to report besides errors: error, warning, info or debug", "LEVEL" },
	{ "qemu", 0, POPT_ARG_STRING, &global.qemu, 0,
	  "Take QEMU from DIR; also VOLT_QEMU in the environment", "DIR" },
	{ "root", 0, POPT_ARG_STRING, &global.root, 0,
	  "Keep everything in DIR; also VOLT_ROOT in the environment", "DIR" },
	{ "version", 'v', POPT_ARG_NONE, &global.version, 0, "Show the version", NULL },
	POPT_TABLEEND
};
