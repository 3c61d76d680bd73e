/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/registry.h"

static const char *arch, *guest, *modules, *name;
static int quiet;

static const struct poptOption options[] = {
	{ "arch", 0, POPT_ARG_STRING, &arch, 0,
	  "For this architecture instead of the host's", "ARCH" },
	{ "guest", 0, POPT_ARG_STRING, &guest, 0,
	  "For guests of this kind: linux (default) or nanos", "linux|nanos" },
	{ "modules", 0, POPT_ARG_STRING, &modules, 0,
	  "The modules of a kernel image, its lib/modules/RELEASE", "DIR" },
	{ "name", 0, POPT_ARG_STRING, &name, 0, "Name it; else after its version",
	  "NAME" },
	OPTION_NO_PROGRESS(&quiet),
	POPT_TABLEEND
};

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *j = json_object();
	int r = 0;

	if (put_word(j, "name", name) < 0 || put_word(j, "arch", arch) < 0 ||
	    put_word(j, "guest", guest) < 0 || put_word(j, "modules", modules) < 0 ||
	    put_word(j, "source", argc > 0 ? argv[0] : NULL) < 0)
		r = -1;
	if (!quiet)
		progress_steps(ctx);
	return make_and_print(ctx, j, r, volt_kernel_import, e);
}

const struct cmd cmd_kernel_import = {
	.name = "kernel import",
	.args = "[debian[:PACKAGE]|host|PATH]",
	.help = "Take a kernel for machines to boot, by default from Debian",
	.options = options,
	.max_args = 1,
	.words = WORD_FILE,
	.run = run,
};
