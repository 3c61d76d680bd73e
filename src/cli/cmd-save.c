/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "cli/cmd.h"
#include "cli/hold.h"
#include "cli/progress.h"

static const char *format = "docker-archive", *output;
static int quiet;

static const struct poptOption options[] = {
	{ "format", 0, POPT_ARG_STRING, &format, 0,
	  "docker-archive (default), oci-archive or oci-dir", "FORMAT" },
	{ "output", 'o', POPT_ARG_STRING, &output, 0,
	  "Where to, which must not exist; else stdout", "FILE" },
	OPTION_NO_PROGRESS(&quiet),
	POPT_TABLEEND
};

/* The library writes files that are whole or not there, so one is made first, in a
 * directory that nobody else can write to. */
static int make_file(struct volt_ctx *ctx, const char *image, int *ret,
		     struct volt_error *e)
{
	const char *tmp = secure_getenv("TMPDIR");
	_cleanup_free_ char *dir = NULL, *file = NULL;
	int r;

	if (asprintf(&dir, "%s/volt-save.XXXXXX", tmp && *tmp ? tmp : "/var/tmp") < 0) {
		dir = NULL;
		return fail_oom(e);
	}
	if (!mkdtemp(dir))
		return fail_errno(e, "make a directory like '%s'", dir);
	if (asprintf(&file, "%s/image", dir) < 0) {
		file = NULL;
		(void)rmdir(dir);
		return fail_oom(e);
	}
	r = volt_image_save(ctx, image, file, format, e);
	if (r == 0) {
		*ret = open(file, O_RDONLY | O_CLOEXEC);
		if (*ret < 0)
			r = fail_errno(e, "open '%s'", file);
		(void)unlink(file);
	}
	(void)rmdir(dir);
	return r;
}

static int save_to_stdout(struct volt_ctx *ctx, const char *image, struct volt_error *e)
{
	_cleanup_close_ int fd = -1;
	static char data[1 << 16];
	sigset_t mask;
	ssize_t n;
	int r;

	if (strcmp(format, "oci-dir") == 0)
		return fail(e, EINVAL, "format 'oci-dir' needs '--output DIR'");
	if (isatty(STDOUT_FILENO))
		return fail(e, EINVAL,
			    "an archive is not for a terminal: redirect stdout, or use "
			    "'--output FILE'");
	hold_signals(&mask);
	r = make_file(ctx, image, &fd, e);
	release_signals(&mask);
	if (r < 0)
		return r;
	progress_clear();
	while ((n = read(fd, data, sizeof(data))) > 0) {
		r = write_all(STDOUT_FILENO, data, (size_t)n);
		if (r < 0)
			return fail_code(e, r, "write to stdout");
	}
	return n < 0 ? fail_errno(e, "read what was saved") : 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	sigset_t mask;
	int r;

	if (!quiet)
		progress_show(ctx);
	if (!output)
		return save_to_stdout(ctx, argv[0], e);
	hold_signals(&mask);
	r = volt_image_save(ctx, argv[0], output, format, e);
	release_signals(&mask);
	return r;
}

const struct cmd cmd_save = {
	.name = "save",
	.alias = { "image save" },
	.args = "IMAGE",
	.help = "Write an image to an archive or a directory",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.words = WORD_IMAGE,
	.run = run,
};
