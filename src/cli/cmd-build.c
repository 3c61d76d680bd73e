/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/registry.h"
#include "cli/wish-parse.h"

static struct {
	const char *arch, *binary, *cmd, *entrypoint, *file, *name_in_image, *tag,
		*target;
	const char *user, *workdir;
	const char **build_arg, **env, **label, **port;
	int quiet;
} o;

static const struct poptOption options[] = {
	{ "arch", 0, POPT_ARG_STRING, &o.arch, 0,
	  "Build for this architecture instead of the host's", "ARCH" },
	{ "binary", 0, POPT_ARG_STRING, &o.binary, 0,
	  "Make an image of this program and the libraries it needs", "FILE" },
	{ "build-arg", 0, POPT_ARG_ARGV, &o.build_arg, 0,
	  "Set a variable of the Containerfile", "KEY=VALUE" },
	{ "cmd", 0, POPT_ARG_STRING, &o.cmd, 0,
	  "Arguments where none are given: one, or a JSON array; with --binary",
	  "COMMAND" },
	{ "entrypoint", 0, POPT_ARG_STRING, &o.entrypoint, 0,
	  "What it runs instead of the program itself; with --binary", "COMMAND" },
	{ "env", 'e', POPT_ARG_ARGV, &o.env, 0, "Set a variable; with --binary",
	  "KEY[=VALUE]" },
	{ "file", 'f', POPT_ARG_STRING, &o.file, 0,
	  "The Containerfile, where it is not in DIR", "FILE" },
	{ "label", 0, POPT_ARG_ARGV, &o.label, 0, "Attach a label; with --binary",
	  "KEY[=VALUE]" },
	{ "path", 0, POPT_ARG_STRING, &o.name_in_image, 0,
	  "Where the program is in the image; with --binary", "PATH" },
	{ "port", 'p', POPT_ARG_ARGV, &o.port, 0,
	  "Say that it listens on this port; with --binary", "PORT[/PROTOCOL]" },
	OPTION_NO_PROGRESS(&o.quiet),
	{ "tag", 't', POPT_ARG_STRING, &o.tag, 0, "Name the image", "NAME" },
	{ "target", 0, POPT_ARG_STRING, &o.target, 0,
	  "Stop at this stage of the Containerfile", "STAGE" },
	{ "user", 'u', POPT_ARG_STRING, &o.user, 0, "Run as this user; with --binary",
	  "USER[:GROUP]" },
	{ "workdir", 'w', POPT_ARG_STRING, &o.workdir, 0,
	  "Directory it starts in; with --binary", "DIR" },
	POPT_TABLEEND
};

/* Options of one way to build say nothing in the other: refused, not ignored. */
static int check(int argc, struct volt_error *e)
{
	bool of_binary = o.cmd || o.entrypoint || o.env || o.label || o.name_in_image ||
			 o.port || o.user || o.workdir;
	bool of_file = o.build_arg || o.file || o.target;

	if (o.binary && argc > 0)
		return fail(e, EINVAL, "either '--binary' or a directory, not both");
	if (o.binary && of_file)
		return fail(e, EINVAL,
			    "'--build-arg', '--file' and '--target' are for a "
			    "Containerfile, not for '--binary'");
	if (!o.binary && of_binary)
		return fail(e, EINVAL,
			    "'--cmd', '--entrypoint', '--env', '--label', '--path', "
			    "'--port', '--user' and '--workdir' need '--binary'; a "
			    "Containerfile says them itself");
	if (!o.tag)
		return fail(e, EINVAL, "the image needs a name: '--tag NAME'");
	return 0;
}

static int put_command(json_t *j, const char *key, const char *word, struct volt_error *e)
{
	json_t *list;
	int r;

	if (!word)
		return 0;
	r = entrypoint_parse(word, &list, e);
	if (r < 0)
		return r;
	return json_object_set_new(j, key, list) < 0 ? fail_oom(e) : 0;
}

static int put_env(json_t *j, struct volt_error *e)
{
	json_t *list = json_array();
	int r = 0;

	if (json_object_set_new(j, "env", list) < 0)
		return fail_oom(e);
	for (const char **w = o.env; r == 0 && w && *w; w++)
		r = env_parse(list, *w, e);
	return r;
}

static int put_binary(json_t *j, struct volt_error *e)
{
	int r;

	if ((r = put_command(j, "entrypoint", o.entrypoint, e)) < 0 ||
	    (r = put_command(j, "cmd", o.cmd, e)) < 0 || (r = put_env(j, e)) < 0)
		return r;
	if (put_word(j, "binary", o.binary) < 0 ||
	    put_word(j, "name_in_image", o.name_in_image) < 0 ||
	    put_word(j, "user", o.user) < 0 || put_word(j, "workdir", o.workdir) < 0 ||
	    put_list(j, "labels", o.label) < 0 || put_list(j, "ports", o.port) < 0)
		return fail(e, EINVAL, "an option is not UTF-8");
	return 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *j = json_object();
	int r = check(argc, e);

	if (r == 0 && o.binary)
		r = put_binary(j, e);
	if (r < 0)
		return r;
	if (!o.binary)
		r = put_word(j, "context", argc > 0 ? argv[0] : ".");
	if (r < 0 || put_word(j, "tag", o.tag) < 0 || put_word(j, "arch", o.arch) < 0 ||
	    put_word(j, "containerfile", o.file) < 0 ||
	    put_word(j, "target", o.target) < 0 ||
	    put_list(j, "build_args", o.build_arg) < 0)
		r = -1;
	if (!o.quiet)
		progress_show(ctx);
	return make_and_print(ctx, j, r, volt_build, e);
}

const struct cmd cmd_build = {
	.name = "build",
	.alias = { "image build" },
	.args = "[DIR]",
	.help = "Make an image from a program or a Containerfile",
	.options = options,
	.max_args = 1,
	.words = WORD_FILE,
	.run = run,
};
