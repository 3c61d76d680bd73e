/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/cmd.h"
#include "cli/wish-parse.h"

static struct {
	const char **labels, *size;
	int ignore;
} o;

static const struct poptOption options[] = {
	{ "ignore", 0, POPT_ARG_NONE, &o.ignore, 0,
	  "Succeed if a volume of that name is there already", NULL },
	{ "label", 'l', POPT_ARG_ARGV, &o.labels, 0, "Note KEY=VALUE", "KEY=VALUE" },
	{ "size", 0, POPT_ARG_STRING, &o.size, 0,
	  "How much it can hold, such as 512m or 2g (default 1g)", "SIZE" },
	POPT_TABLEEND
};

static int put_labels(json_t *j, struct volt_error *e)
{
	json_t *labels = json_object();
	int r = 0;

	for (const char **l = o.labels; r == 0 && l && *l; l++)
		r = label_parse(labels, *l, e);
	if (json_object_set_new(j, "labels", labels) < 0)
		return fail_oom(e);
	return r;
}

static int put_size(json_t *j, struct volt_error *e)
{
	uint64_t size = 0;

	if (!o.size)
		return 0;
	if (size_parse(o.size, &size) < 0 || size == 0 || size > INT64_MAX)
		return fail(e, EINVAL, "size '%s' is not one such as 512m or 2g", o.size);
	return json_object_set_new(j, "size", json_integer((json_int_t)size)) < 0
		       ? fail_oom(e)
		       : 0;
}

static int put_name(json_t *j, const char *name, struct volt_error *e)
{
	if (!name)
		return 0;
	return json_object_set_new(j, "name", json_string(name)) < 0
		       ? fail(e, EINVAL, "volume name '%s' is not UTF-8", name)
		       : 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *j = json_object();
	_cleanup_free_ char *text = NULL, *name = NULL;
	int r;

	if ((r = put_name(j, argc > 0 ? argv[0] : NULL, e)) < 0 ||
	    (r = put_size(j, e)) < 0 || (r = put_labels(j, e)) < 0)
		return r;
	text = json_text(j);
	if (!text)
		return fail_oom(e);
	r = volt_volume_create(ctx, text, &name, e);
	if (r < 0 && !(r == -EEXIST && o.ignore))
		return r;
	(void)puts(name ? name : argv[0]);
	return 0;
}

const struct cmd cmd_volume_create = {
	.name = "volume create",
	.args = "[NAME]",
	.help = "Make an empty volume",
	.options = options,
	.max_args = 1,
	.run = run,
};
