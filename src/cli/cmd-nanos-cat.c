/* SPDX-License-Identifier: Apache-2.0 */

#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "cli/cmd.h"
#include "cli/nanos-disk.h"

static const char *base;
static int bootfs;

static const struct poptOption options[] = { OPTION_BASE(&base), OPTION_BOOTFS(&bootfs),
					     POPT_TABLEEND };

static int write_bytes(void *data, const void *bytes, size_t size)
{
	int r = write_all(STDOUT_FILENO, bytes, size);

	return r < 0 ? fail_code(data, r, "write to stdout") : 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	_cleanup_(volt_nanos_freep) struct volt_nanos *d = NULL;
	int r = open_nanos_disk(ctx, argv[0], base, bootfs, &d, e);

	for (int i = 1; r == 0 && i < argc; i++)
		r = volt_nanos_read(d, argv[i], write_bytes, e, e);
	return r;
}

const struct cmd cmd_nanos_cat = {
	.name = "nanos cat",
	.args = "DISK PATH...",
	.help = "Write files on a disk of Nanos to stdout",
	.options = options,
	.min_args = 2,
	.max_args = -1,
	.words = WORD_FILE,
	.run = run,
};
