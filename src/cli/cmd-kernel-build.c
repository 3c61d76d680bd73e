/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/hold.h"
#include "cli/progress.h"
#include "cli/registry.h"

static const char *arch, *name, *source;
static int jobs, quiet;

static const struct poptOption options[] = {
	{ "arch", 0, POPT_ARG_STRING, &arch, 0,
	  "Build for this architecture instead of the host's", "ARCH" },
	{ "jobs", 'j', POPT_ARG_INT, &jobs, 0, "Compile so many files at once", "N" },
	{ "name", 0, POPT_ARG_STRING, &name, 0, "Name it; else after its version",
	  "NAME" },
	OPTION_NO_PROGRESS(&quiet),
	{ "source", 0, POPT_ARG_STRING, &source, 0,
	  "Sources, a directory or tar archive; else Debian's linux-source", "FILE" },
	POPT_TABLEEND
};

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *j = json_object();
	sigset_t mask;
	int r = 0;

	if (jobs < 0 || jobs > 1024)
		return fail(e, EINVAL, "option '--jobs': %d is not from 1 to 1024", jobs);
	if (jobs)
		r = json_object_set_new(j, "jobs", json_integer(jobs));
	if (r < 0 || put_word(j, "arch", arch) < 0 || put_word(j, "name", name) < 0 ||
	    put_word(j, "source", source) < 0)
		r = -1;
	if (!quiet)
		progress_steps(ctx);
	hold_signals(&mask);
	r = make_and_print(ctx, j, r, volt_kernel_build, e);
	release_signals(&mask);
	return r;
}

const struct cmd cmd_kernel_build = {
	.name = "kernel build",
	.args = "",
	.help = "Build a small kernel that boots fast, from Debian's sources",
	.options = options,
	.run = run,
};
