/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/hold.h"
#include "cli/progress.h"
#include "cli/registry.h"

static const char *from, *source;
static int jobs, quiet;

static const struct poptOption options[] = {
	{ "from", 0, POPT_ARG_STRING, &from, 0,
	  "Of the QEMU that is installed here (default), or compile it", "host|source" },
	{ "jobs", 'j', POPT_ARG_INT, &jobs, 0, "Compile so many files at once", "N" },
	OPTION_NO_PROGRESS(&quiet),
	{ "source", 0, POPT_ARG_STRING, &source, 0,
	  "Sources, a directory, tar archive or .dsc; else Debian's", "FILE" },
	POPT_TABLEEND
};

static int build(struct volt_ctx *ctx, const char *profile, struct volt_error *e)
{
	json_auto_t *j = json_object();
	sigset_t mask;
	int r = 0;

	if (jobs)
		r = json_object_set_new(j, "jobs", json_integer(jobs));
	if (r < 0 || put_word(j, "profile", profile) < 0 ||
	    put_word(j, "from", from) < 0 || put_word(j, "source", source) < 0)
		r = -1;
	hold_signals(&mask);
	r = make_and_print(ctx, j, r, volt_profile_build, e);
	release_signals(&mask);
	return r;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	int status = 0;

	if (jobs < 0 || jobs > 1024)
		return fail(e, EINVAL, "option '--jobs': %d is not from 1 to 1024", jobs);
	if (!quiet)
		progress_steps(ctx);
	for (int i = 0; i < argc; i++) {
		if (build(ctx, argv[i], e) == 0)
			continue;
		(void)fprintf(stderr, "volt qemu build: %s\n", e->msg);
		status = EXIT_VOLT;
	}
	return status;
}

const struct cmd cmd_qemu_build = {
	.name = "qemu build",
	.args = "PROFILE...",
	.help = "Make profiles of the QEMU that is installed here, or from source",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.words = WORD_PROFILE_NAME,
	.run = run,
};
