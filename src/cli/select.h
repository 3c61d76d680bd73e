/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "volt.h"

/* Which machines a command is about: those named, or as these options say. */
struct selection {
	const char *command; /* for messages */
	int all, latest, ignore;
	const char **cidfile, **filter;
	int time;               /* seconds before force, -1: the machine's own */
	bool print_names;       /* of those to which it was done */
	bool at_once;           /* several at a time: each may take long */
	bool running_only;      /* what --all means: not those that have ended */
	const char *all_status; /* the same: those that this filter passes */
	int (*status)(int r);   /* exit status for a negative errno; NULL: EXIT_VOLT */
	/* Called for a name that no machine has; NULL: that is a failure. */
	int (*other)(struct volt_ctx *ctx, const char *name, void *data,
		     struct volt_error *e);
};

#define OPTION_ALL(s, help)                                        \
	{                                                          \
		"all", 'a', POPT_ARG_NONE, &(s).all, 0, help, NULL \
	}
#define OPTION_CIDFILE(s)                                         \
	{                                                         \
		"cidfile", 0, POPT_ARG_ARGV, &(s).cidfile, 0,     \
			"The machine whose id FILE holds", "FILE" \
	}
#define OPTION_FILTER(s)                                                          \
	{                                                                         \
		"filter", 'f', POPT_ARG_ARGV, &(s).filter, 0,                     \
			"Only machines with a name, id, label, status, ancestor " \
			"or exited like this",                                    \
			"KEY=VALUE"                                               \
	}
#define OPTION_IGNORE(s)                                                  \
	{                                                                 \
		"ignore", 'i', POPT_ARG_NONE, &(s).ignore, 0,             \
			"Say nothing of machines that do not exist", NULL \
	}
#define OPTION_LATEST(s)                                      \
	{                                                     \
		"latest", 'l', POPT_ARG_NONE, &(s).latest, 0, \
			"The machine created last", NULL      \
	}

#define OPTION_TIME(s, help)                                             \
	{                                                                \
		"time", 't', POPT_ARG_INT, &(s).time, 0, help, "SECONDS" \
	}

/* Calls @fn for each of them (@names ends with NULL, and may be NULL) with the name to show
 * for it. One that fails is reported and the others are still done; returns 0, or the exit
 * status for the last that failed. */
int select_each(struct volt_ctx *ctx, const struct selection *s, const char **names,
		int (*fn)(struct volt_machine *m, const char *name, void *data,
			  struct volt_error *e),
		void *data, struct volt_error *e);

/* Exactly one: the one named, or the latest. */
int select_one(struct volt_ctx *ctx, const struct selection *s, const char **names,
	       struct volt_machine **ret, struct volt_error *e);

/* volt_machine_list(), volt_machine_inspect() and volt_image_inspect() as JSON. */
int select_list(struct volt_ctx *ctx, bool all, const char **filters, json_t **ret,
		struct volt_error *e);
int inspect_machine(struct volt_machine *m, json_t **ret, struct volt_error *e);
int inspect_image(struct volt_ctx *ctx, const char *image, json_t **ret,
		  struct volt_error *e);
