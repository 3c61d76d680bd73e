/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "volt.h"

#include "base/macro.h"

/* What every command that shows a list has. */
#define OPTION_FORMAT(variable)                                             \
	{                                                                   \
		"format", 0, POPT_ARG_STRING, variable, 0,                  \
			"How to show it: table (default) or json", "FORMAT" \
	}

#define OPTION_FORMAT_JSON(variable)                            \
	{                                                       \
		"format", 'f', POPT_ARG_STRING, variable, 0,    \
			"json, the only one there is", "FORMAT" \
	}

#define OPTION_NO_HEADING(letter, variable)                                              \
	{                                                                                \
		"noheading", letter, POPT_ARG_NONE, variable, 0, "Leave the titles out", \
			NULL                                                             \
	}

/* 1: json, 0: table (or NULL), -EINVAL. */
int format_is_json(const char *format, struct volt_error *e);

/* 0: json (or NULL), -EINVAL. */
int format_must_be_json(const char *format, struct volt_error *e);

/* Indented, to stdout. Returns 0 or -ENOMEM. */
int print_json(const json_t *j, struct volt_error *e);

/* Parses what the library returned; takes ownership of @text. */
int parse_answer(char *text, json_t **ret, struct volt_error *e);

/* Asks for a list that needs no options: images, kernels. */
int ask_list(struct volt_ctx *ctx,
	     int (*list)(struct volt_ctx *ctx, char **ret, struct volt_error *e),
	     json_t **ret, struct volt_error *e);

/* Rows of text, printed with their columns aligned. Cells are copied, control characters
 * (a hostile image may have them in its command) replaced. */
struct table;
int table_new(const char *const *titles, size_t n, struct table **ret);
int table_add(struct table *t, const char *cell); /* NULL is "" */
int table_addf(struct table *t, const char *fmt, ...) _printf_(2, 3);
int table_add_size(struct table *t, const json_t *item); /* of its "size" */
/* "3 weeks ago", of "created_at" */
int table_add_age(struct table *t, const json_t *item, int64_t now);
void table_print(const struct table *t, bool titles, FILE *f);
void table_free(struct table *t);
DEFINE_CLEANUP(struct table *, table_free)

/* How a list is shown: as JSON, or a word for each item, or a table. */
struct listing {
	bool json, quiet, no_heading;
	const char *word;                       /* the member that is the word, */
	void (*print_word)(const json_t *item); /* unless it is more than that */
	void (*keep)(json_t *list); /* removes what was not asked for; NULL: all was */
	int (*add_rows)(struct table *t, const json_t *item, int64_t now);
	const char *const *titles;
	size_t n_titles;
};
int print_list(const json_t *list, const struct listing *how, struct volt_error *e);

/* All that a command does which shows what @list answers; @format is what its option says. */
int show_list(struct volt_ctx *ctx, const char *format,
	      int (*list)(struct volt_ctx *ctx, char **ret, struct volt_error *e),
	      struct listing *how, struct volt_error *e);

/* "7.05 MB", decimal, as podman shows images. Returns @text. */
#define HUMAN_SIZE 32
const char *human_size(uint64_t bytes, char text[static HUMAN_SIZE]);

/* "About an hour", "3 weeks". Returns @text. */
const char *human_duration(int64_t ns, char text[static HUMAN_SIZE]);

/* A member of @j; "" or 0 where it is absent or of another type. */
const char *member(const json_t *j, const char *key);
int64_t member_int(const json_t *j, const char *key);

/* An RFC 3339 member in nanoseconds, 0 where there is none. */
int64_t member_time(const json_t *j, const char *key);
