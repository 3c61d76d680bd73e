/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/select.h"

static const struct selection sel = { .command = "generate systemd" };

static struct {
	const char *restart_policy;
	const char **after, **requires, **wants;
	int files, is_new, name, no_header, restart_sec, start_timeout, stop_timeout;
} o = { .name = 1, .restart_sec = -1, .start_timeout = -1, .stop_timeout = -1 };

static const struct poptOption options[] = {
	{ "after", 0, POPT_ARG_ARGV, &o.after, 0, "Start it after this unit", "UNIT" },
	{ "files", 'f', POPT_ARG_NONE, &o.files, 0,
	  "Write a file here instead of to stdout, and print its path", NULL },
	{ "name", 'n', POPT_ARG_NONE, &o.name, 0,
	  "Name the machine by its name; =false: by its id", NULL },
	{ "new", 0, POPT_ARG_NONE, &o.is_new, 0,
	  "Make the machine anew each time the unit starts", NULL },
	{ "no-header", 0, POPT_ARG_NONE, &o.no_header, 0, "Begin without a comment",
	  NULL },
	{ "requires", 0, POPT_ARG_ARGV, &o.requires, 0, "Start this unit, too, or fail",
	  "UNIT" },
	{ "restart-policy", 0, POPT_ARG_STRING, &o.restart_policy, 0,
	  "When systemd restarts it; else as the machine's own policy asks", "POLICY" },
	{ "restart-sec", 0, POPT_ARG_INT, &o.restart_sec, 0,
	  "Seconds systemd waits before that", "SECONDS" },
	{ "start-timeout", 0, POPT_ARG_INT, &o.start_timeout, 0,
	  "Seconds it has to start", "SECONDS" },
	{ "stop-timeout", 0, POPT_ARG_INT, &o.stop_timeout, 0,
	  "Seconds before force is used to stop it; else the machine's own", "SECONDS" },
	{ "time", 't', POPT_ARG_INT, &o.stop_timeout, 0, "The same as --stop-timeout",
	  "SECONDS" },
	{ "wants", 0, POPT_ARG_ARGV, &o.wants, 0, "Start this unit, too", "UNIT" },
	POPT_TABLEEND
};

static int put(json_t *j, const char *key, json_t *value)
{
	return json_object_set_new(j, key, value);
}

/* -1: not given. */
static int put_seconds(json_t *j, const char *key, const char *option, int value,
		       struct volt_error *e)
{
	if (value < -1)
		return fail(e, EINVAL, "option '--%s': %d is less than 0", option, value);
	return value >= 0 && put(j, key, json_integer(value)) < 0 ? fail_oom(e) : 0;
}

static int put_units(json_t *j, const char *key, const char **units, struct volt_error *e)
{
	json_t *list = json_array();

	if (put(j, key, list) < 0)
		return fail_oom(e);
	for (; units && *units; units++)
		if (json_array_append_new(list, json_string(*units)) < 0)
			return fail(e, EINVAL, "'%s' is not UTF-8", *units);
	return 0;
}

static int generate_options(const char *program, char **ret, struct volt_error *e)
{
	json_auto_t *j = json_pack("{s:b, s:b, s:b, s:s, s:s*}", "new", o.is_new, "id",
				   !o.name, "header", !o.no_header, "program", program,
				   "restart_policy", o.restart_policy);
	int r;

	if (!j)
		return fail(e, EINVAL, "'--restart-policy' or '%s' is not UTF-8",
			    program);
	if ((r = put_seconds(j, "restart_sec", "restart-sec", o.restart_sec, e)) < 0 ||
	    (r = put_seconds(j, "start_timeout", "start-timeout", o.start_timeout, e)) <
		    0 ||
	    (r = put_seconds(j, "stop_timeout", "stop-timeout", o.stop_timeout, e)) < 0 ||
	    (r = put_units(j, "after", o.after, e)) < 0 ||
	    (r = put_units(j, "wants", o.wants, e)) < 0 ||
	    (r = put_units(j, "requires", o.requires, e)) < 0)
		return r;
	*ret = json_text(j);
	return *ret ? 0 : fail_oom(e);
}

/* One that makes the machine anew has the values of its environment in it. */
static int write_file(const char *unit, const char *text, struct volt_error *e)
{
	char here[PATH_MAX];
	int r = write_file_atomic(AT_FDCWD, unit, text, strlen(text),
				  o.is_new ? 0600 : 0644);

	if (r < 0)
		return fail_code(e, r, "write '%s'", unit);
	if (!getcwd(here, sizeof(here)))
		return fail_errno(e, "find the current directory");
	(void)printf("%s/%s\n", strcmp(here, "/") == 0 ? "" : here, unit);
	return 0;
}

static int generate(struct volt_machine *m, struct volt_error *e)
{
	_cleanup_free_ char *asked = NULL, *answer = NULL;
	json_auto_t *j = NULL;
	char program[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	int r;

	if (n < 0)
		return fail_errno(e, "find this program");
	program[n] = '\0';
	if ((r = generate_options(program, &asked, e)) < 0 ||
	    (r = volt_generate_systemd(m, asked, &answer, e)) < 0 ||
	    (r = json_parse(answer, strlen(answer), "the answer", &j, e)) < 0)
		return r;
	if (o.files)
		return write_file(member(j, "unit"), member(j, "text"), e);
	(void)fputs(member(j, "text"), stdout);
	return 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	struct volt_machine *m = NULL;
	int r = select_one(ctx, &sel, argv, &m, e);

	if (r == 0)
		r = generate(m, e);
	volt_machine_free(m);
	return r;
}

const struct cmd cmd_generate_systemd = {
	.name = "generate systemd",
	.args = "MACHINE",
	.help = "Print a unit of systemd that runs a machine",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.words = WORD_MACHINE,
	.run = run,
};
