/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "cli/cmd.h"
#include "cli/print.h"

#define ID_SHOWN 12

static struct {
	const char *format;
	int digests, no_heading, no_trunc, quiet;
} o;

static const struct poptOption options[] = {
	{ "digests", 0, POPT_ARG_NONE, &o.digests, 0, "Show the manifests' digests",
	  NULL },
	OPTION_FORMAT(&o.format),
	{ "no-trunc", 0, POPT_ARG_NONE, &o.no_trunc, 0, "Do not shorten anything", NULL },
	{ "noheading", 'n', POPT_ARG_NONE, &o.no_heading, 0, "Leave the titles out",
	  NULL },
	{ "quiet", 'q', POPT_ARG_NONE, &o.quiet, 0, "Only the ids", NULL },
	POPT_TABLEEND
};

/* The colon of a tag stands behind the last slash; one before it is a port's. */
static int add_name(struct table *t, const char *name)
{
	const char *slash = strrchr(name, '/'), *at = strchr(name, '@');
	const char *colon = at ? NULL : strrchr(slash ? slash : name, ':');
	size_t n = at      ? (size_t)(at - name)
		   : colon ? (size_t)(colon - name)
			   : strlen(name);
	int r = table_addf(t, "%.*s", (int)n, name);

	return r < 0 ? r : table_add(t, colon ? colon + 1 : "<none>");
}

static int add_row(struct table *t, const json_t *image, const char *name, int64_t now)
{
	char text[HUMAN_SIZE];
	int64_t created = member_time(image, "created_at");
	int r = add_name(t, name);

	if (r == 0 && o.digests)
		r = table_add(t, member(image, "digest"));
	if (r == 0)
		r = table_addf(t, "%s%.*s", o.no_trunc ? "sha256:" : "",
			       o.no_trunc ? 64 : ID_SHOWN, member(image, "id"));
	if (r == 0 && created)
		r = table_addf(t, "%s ago", human_duration(now - created, text));
	else if (r == 0)
		r = table_add(t, "unknown");
	if (r == 0)
		r = table_add(t, human_size((uint64_t)member_int(image, "size"), text));
	return r;
}

static int add_rows(struct table *t, const json_t *image, int64_t now)
{
	const json_t *names = json_object_get(image, "names"), *name;
	size_t i;
	int r = 0;

	json_array_foreach(names, i, name)
		if (r == 0)
			r = add_row(t, image, json_string_value(name), now);
	return r < 0 || i > 0 ? r : add_row(t, image, "<none>", now);
}

static int print_table(const json_t *list, struct volt_error *e)
{
	static const char *const plain[] = { "REPOSITORY", "TAG", "IMAGE ID", "CREATED",
					     "SIZE" };
	static const char *const digests[] = { "REPOSITORY", "TAG",     "DIGEST",
					       "IMAGE ID",   "CREATED", "SIZE" };
	_cleanup_(table_freep) struct table *t = NULL;
	int64_t now = clock_wall();
	json_t *image;
	size_t i;
	int r;

	r = table_new(o.digests ? digests : plain,
		      o.digests ? ARRAY_SIZE(digests) : ARRAY_SIZE(plain), &t);
	json_array_foreach(list, i, image)
		if (r == 0)
			r = add_rows(t, image, now);
	if (r < 0)
		return fail_oom(e);
	table_print(t, !o.no_heading, stdout);
	return 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *list = NULL;
	int json = format_is_json(o.format, e), r;
	json_t *image;
	char *text;
	size_t i;

	if (json < 0)
		return json;
	r = volt_image_list(ctx, &text, e);
	if (r == 0)
		r = parse_answer(text, &list, e);
	if (r < 0)
		return r;
	if (json)
		return print_json(list, e);
	if (!o.quiet)
		return print_table(list, e);
	json_array_foreach(list, i, image)
		(void)printf("%s%.*s\n", o.no_trunc ? "sha256:" : "",
			     o.no_trunc ? 64 : ID_SHOWN, member(image, "id"));
	return 0;
}

const struct cmd cmd_images = {
	.name = "images",
	.alias = { "image ls", "image list" },
	.args = "",
	.help = "List images",
	.options = options,
	.run = run,
};
