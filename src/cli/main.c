/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/error.h"
#include "cli/find.h"
#include "cli/global.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/progress.h"

static int log_level(const char *name, struct volt_error *e)
{
	static const struct {
		const char *name;
		int level;
	} levels[] = {
		{ "debug", LOG_DEBUG }, { "error", LOG_ERR },      { "info", LOG_INFO },
		{ "warn", LOG_NOTICE }, { "warning", LOG_NOTICE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (strcmp(levels[i].name, name) == 0)
			return levels[i].level;
	return fail(e, EINVAL, "log level '%s' is none of error, warning, info, debug",
		    name);
}

static int run_in_context(const struct cmd *c, struct words *w, struct volt_error *e)
{
	int level = log_level(global.log_level, e), r;
	const char *root = global.root ? global.root : secure_getenv("VOLT_ROOT");
	const char *qemu = global.qemu ? global.qemu : secure_getenv("VOLT_QEMU");
	struct volt_ctx *ctx = NULL;

	if (level < 0)
		return level;
	if (c->standalone)
		return c->run(NULL, w->n, w->v, e);
	if (root && !*root)
		return fail(e, EINVAL, "the root directory's name is empty");
	r = volt_ctx_new(root, &ctx, e);
	if (r < 0)
		return r;
	progress_log(ctx, level);
	r = volt_set_qemu(ctx, qemu, e);
	if (r == 0)
		r = c->run(ctx, w->n, w->v, e);
	volt_ctx_free(ctx);
	return r;
}

static int parse_and_run(const struct cmd *c, int argc, const char **argv,
			 struct volt_error *e)
{
	_cleanup_(words_done) struct words w = { 0 };
	int r;

	/* What follows an image to be run is the guest's. */
	r = options_parse(c->options, c->words != WORD_IMAGE_FIRST, argc, argv, &w, e);
	if (r < 0)
		return r;
	if (w.help)
		return help_command(c);
	if (w.n < c->min_args || (c->max_args >= 0 && w.n > c->max_args))
		return fail(e, EINVAL, "%s; usage: volt %s [OPTION...]%s%s",
			    w.n < c->min_args ? "something is missing"
					      : "there are too many arguments",
			    c->name, *c->args ? " " : "", c->args);
	return run_in_context(c, &w, e);
}

/* "image" alone, or with a wish for help. */
static int run_group(int argc, const char **argv)
{
	if (argc > 1)
		return help_group(stdout, argv[0]);
	(void)help_group(stderr, argv[0]);
	return -EINVAL;
}

static int run_command(int argc, const char **argv, struct volt_error *e)
{
	_cleanup_free_ const char **own = NULL;
	const struct cmd *c = NULL;
	char title[64];
	int words, r;

	if (cmd_is_group(argv[0]) &&
	    (argc == 1 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return run_group(argc, argv);
	r = cmd_find(argc, argv, &c, &words, e);
	if (r < 0) {
		(void)fprintf(stderr, "volt: %s\n", e->msg);
		return r;
	}
	/* The parser of the next words wants a title first; @argv belongs to the last. */
	(void)snprintf(title, sizeof(title), "volt %s", c->name);
	argc -= words - 1;
	own = calloc((size_t)argc + 1, sizeof(*own));
	if (!own)
		return fail_oom(e);
	own[0] = title;
	for (int i = 1; i < argc; i++)
		own[i] = argv[words - 1 + i];
	r = parse_and_run(c, argc, own, e);
	progress_clear();
	if (r < 0)
		(void)fprintf(stderr, "volt %s: %s\n", c->name, e->msg);
	return r;
}

static int run_main(int argc, const char **argv, struct volt_error *e)
{
	_cleanup_(words_done) struct words w = { 0 };
	int r;

	r = options_parse(global_options, false, argc, argv, &w, e);
	if (r < 0) {
		(void)fprintf(stderr, "volt: %s\n", e->msg);
		return r;
	}
	if (w.help)
		return help_commands(stdout);
	if (global.version)
		return cmd_version.run(NULL, 0, NULL, e);
	if (w.n == 0) {
		(void)help_commands(stderr);
		return -EINVAL;
	}
	return run_command(w.n, w.v, e);
}

int main(int argc, char *argv[])
{
	struct volt_error e = { 0 };
	int r;

	/* Who starts us may ignore it; then no child could be waited for. */
	(void)signal(SIGCHLD, SIG_DFL);
	argv[0] = (char[]){ "volt" };
	r = run_main(argc, (const char **)argv, &e);
	/* What was promised on stdout must have got there. */
	if (fflush(stdout) != 0 && r >= 0) {
		(void)fprintf(stderr, "volt: write to stdout: %s\n",
			      strerrordesc_np(errno));
		r = -EIO;
	}
	return r < 0 ? EXIT_VOLT : r;
}
