/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "base/strv.h"
#include "cli/cmd.h"
#include "cli/print.h"

static int all, force, ignore;

static const struct poptOption options[] = {
	{ "all", 'a', POPT_ARG_NONE, &all, 0, "Remove every image that no machine uses",
	  NULL },
	{ "force", 'f', POPT_ARG_NONE, &force, 0,
	  "Also with several names, and with the machines made from it", NULL },
	{ "ignore", 'i', POPT_ARG_NONE, &ignore, 0,
	  "Say nothing of images that do not exist", NULL },
	POPT_TABLEEND
};

static void print_each(const char *what, const json_t *list)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		(void)printf("%s%s\n", what, json_string_value(item));
}

static int remove_one(struct volt_ctx *ctx, const char *image, struct volt_error *e)
{
	json_auto_t *j = NULL;
	char *text;
	int r;

	r = volt_image_remove(ctx, image,
			      (force ? VOLT_REMOVE_FORCE : 0) |
				      (all ? VOLT_REMOVE_WHOLE : 0),
			      &text, e);
	if (r == 0)
		r = parse_answer(text, &j, e);
	if (r < 0)
		return r;
	print_each("Untagged: ", json_object_get(j, "untagged"));
	print_each("Deleted: ", json_object_get(j, "deleted"));
	return 0;
}

/* By a name where it has one: that is how messages name it. */
static int add_image(struct strv *names, const json_t *image)
{
	const char *name =
		json_string_value(json_array_get(json_object_get(image, "names"), 0));

	return strv_add(names, name ? name : member(image, "id"));
}

static int add_all(struct volt_ctx *ctx, struct strv *names, struct volt_error *e)
{
	json_auto_t *list = NULL;
	json_t *image;
	size_t i;
	int r;

	r = ask_list(ctx, volt_image_list, &list, e);
	if (r < 0)
		return r;
	json_array_foreach(list, i, image)
		if (add_image(names, image) < 0)
			return fail_oom(e);
	return 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	_cleanup_strv_ struct strv names = { 0 };
	int status = 0, r = 0;

	if (all == (argc > 0))
		return fail(e, EINVAL, "name images, or '--all'");
	for (int i = 0; i < argc; i++)
		if (strv_add(&names, argv[i]) < 0)
			return fail_oom(e);
	if (all)
		r = add_all(ctx, &names, e);
	if (r < 0)
		return r;
	strv_foreach(name, names.v) {
		r = remove_one(ctx, *name, e);
		if (r == 0 || (r == -ENOENT && (ignore || all)))
			continue;
		(void)fprintf(stderr, "volt rmi: %s\n", e->msg);
		/* podman's: 1 not there, 2 in use, 125 anything else */
		status = r == -ENOENT ? 1 : r == -EBUSY ? 2 : EXIT_VOLT;
	}
	return status;
}

const struct cmd cmd_rmi = {
	.name = "rmi",
	.alias = { "image rm", "image remove" },
	.args = "[IMAGE...]",
	.help = "Remove images",
	.options = options,
	.max_args = -1,
	.words = WORD_IMAGE,
	.run = run,
};
