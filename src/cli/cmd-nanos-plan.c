/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/wish-parse.h"

static struct {
	const char *arch, *entrypoint, *format, *workdir;
	const char **env;
	int files, full;
} o;

static const struct poptOption options[] = {
	{ "arch", 0, POPT_ARG_STRING, &o.arch, 0,
	  "Plan for this architecture instead of the image's", "ARCH" },
	{ "entrypoint", 0, POPT_ARG_STRING, &o.entrypoint, 0,
	  "Run this instead of the image's ENTRYPOINT: a program or a JSON array",
	  "COMMAND" },
	{ "env", 'e', POPT_ARG_ARGV, &o.env, 0,
	  "Set a variable; without a value take the caller's; KEY* takes all that begin so",
	  "KEY[=VALUE]" },
	{ "files", 0, POPT_ARG_NONE, &o.files, 0, "List the files that are in", NULL },
	OPTION_FORMAT(&o.format),
	{ "full", 0, POPT_ARG_NONE, &o.full, 0,
	  "Take the whole image, not only what its program needs", NULL },
	{ "workdir", 'w', POPT_ARG_STRING, &o.workdir, 0, "Directory it starts in",
	  "DIR" },
	POPT_TABLEEND
};

static int set(json_t *j, const char *key, json_t *value, struct volt_error *e)
{
	return json_object_set_new(j, key, value) < 0
		       ? fail(e, EINVAL, "the %s is not UTF-8", key)
		       : 0;
}

static int put_command(json_t *j, int argc, const char **argv, struct volt_error *e)
{
	json_t *list = json_array();
	int r = set(j, "cmd", list, e);

	for (int i = 0; i < argc && r == 0; i++)
		if (json_array_append_new(list, json_string(argv[i])) < 0)
			r = fail(e, EINVAL, "'%s' is not UTF-8", argv[i]);
	return r;
}

static int put_env(json_t *j, struct volt_error *e)
{
	json_t *list = json_array();
	int r = set(j, "env", list, e);

	for (const char **w = o.env; w && *w && r == 0; w++)
		r = env_parse(list, *w, e);
	return r;
}

/* The wish of `run --guest nanos` that is asked about. */
static int make_wish(int argc, const char **argv, json_t **ret, struct volt_error *e)
{
	json_auto_t *j = json_pack("{s:s, s:{s:s}, s:{s:b}}", "guest", "nanos", "image",
				   "ref", argv[0], "nanos", "full", o.full);
	json_t *entrypoint = NULL;
	int r = j ? put_env(j, e) : fail(e, EINVAL, "'%s' is not UTF-8", argv[0]);

	if (r == 0 && argc > 1)
		r = put_command(j, argc - 1, argv + 1, e);
	if (r == 0 && o.entrypoint)
		r = entrypoint_parse(o.entrypoint, &entrypoint, e);
	if (r == 0 && entrypoint)
		r = set(j, "entrypoint", entrypoint, e);
	if (r == 0 && o.arch)
		r = set(j, "arch", json_string(o.arch), e);
	if (r == 0 && o.workdir)
		r = set(j, "workdir", json_string(o.workdir), e);
	if (r == 0)
		*ret = TAKE_PTR(j);
	return r;
}

/* Words of hostile images go to a terminal: make_printable() as in messages. */
static void print_text(const char *before, const char *text, const char *after)
{
	_cleanup_free_ char *copy = strdup(text);

	if (!copy)
		return;
	make_printable(copy);
	(void)printf("%s%s%s", before, copy, after);
}

static void print_lines(const char *title, const json_t *list)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		print_text(i == 0 ? title : "           ", json_string_value(item), "\n");
}

static void print_count(const char *title, const json_t *j, const char *what)
{
	char size[HUMAN_SIZE];

	(void)printf("%-11s%6" PRId64 " files %10s%s%s\n", title, member_int(j, "files"),
		     human_size((uint64_t)member_int(j, "bytes"), size),
		     *what ? "  " : "", what);
}

static void print_costs(const json_t *plan)
{
	const json_t *costs = json_object_get(plan, "costs");
	char guest[HUMAN_SIZE], least[HUMAN_SIZE], sensible[HUMAN_SIZE];

	(void)printf("costs:     %" PRId64 " ms at each boot when emulated, %s of the "
		     "guest's memory (1000 files: 100 ms, 3 MB)\n",
		     member_int(costs, "boot_us") / 1000,
		     human_size((uint64_t)member_int(costs, "guest_bytes"), guest));
	(void)printf(
		"memory:    %s at least, %s is sensible\n",
		human_size((uint64_t)member_int(costs, "memory_least"), least),
		human_size((uint64_t)member_int(costs, "memory_sensible"), sensible));
}

static void print_plan(const json_t *plan)
{
	const json_t *left = json_object_get(plan, "left_out");
	json_t *item;
	size_t i;

	print_text("program:   ", member(plan, "program"), "\n");
	print_lines("arguments: ", json_object_get(plan, "arguments"));
	print_lines("libraries: ", json_object_get(plan, "libraries"));
	print_count("in:", json_object_get(plan, "in"),
		    json_is_true(json_object_get(plan, "full")) ? "the whole image" : "");
	json_array_foreach(left, i, item) {
		_cleanup_free_ char *what = NULL;

		if (asprintf(&what, "%s: %s", member(item, "rule"),
			     member(item, "what")) < 0)
			what = NULL;
		print_count(i == 0 ? "left out:" : "", item, what ? what : "");
	}
	print_costs(plan);
	print_lines("note:      ", json_object_get(plan, "notes"));
}

static int ask(struct volt_ctx *ctx, const json_t *wish, json_t **ret,
	       struct volt_error *e)
{
	_cleanup_free_ char *spec = json_text(wish);
	char *text = NULL;
	int r;

	if (!spec)
		return fail_oom(e);
	progress_show(ctx);
	r = volt_nanos_plan(ctx, spec, o.files ? "{\"files\":true}" : NULL, &text, e);
	progress_clear();
	return r < 0 ? r : parse_answer(text, ret, e);
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *wish = NULL, *plan = NULL;
	int json = format_is_json(o.format, e), r;
	json_t *file;
	size_t i;

	if (json < 0 || (r = make_wish(argc, argv, &wish, e)) < 0 ||
	    (r = ask(ctx, wish, &plan, e)) < 0)
		return json < 0 ? json : r;
	if (json)
		return print_json(plan, e);
	if (!o.files)
		print_plan(plan);
	json_array_foreach(json_object_get(plan, "files"), i, file)
		print_text("", json_string_value(file), "\n");
	return 0;
}

const struct cmd cmd_nanos_plan = {
	.name = "nanos plan",
	.args = "IMAGE [COMMAND [ARG...]]",
	.help = "Show what of an image a Nanos guest gets, and what that costs",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.words = WORD_IMAGE_FIRST,
	.run = run,
};
