/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/print.h"

#define ID_SHOWN 12

static struct {
	const char *format, *wanted;
	int all, digests, no_heading, no_trunc, quiet;
} o;

static const struct poptOption options[] = {
	{ "all", 'a', POPT_ARG_NONE, &o.all, 0,
	  "As podman's; there are no intermediate images", NULL },
	{ "digests", 0, POPT_ARG_NONE, &o.digests, 0, "Show the manifests' digests",
	  NULL },
	OPTION_FORMAT(&o.format),
	{ "no-trunc", 0, POPT_ARG_NONE, &o.no_trunc, 0, "Do not shorten anything", NULL },
	OPTION_NO_HEADING('n', &o.no_heading),
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
	int r = add_name(t, name);

	if (r == 0 && o.digests)
		r = table_add(t, member(image, "digest"));
	if (r == 0)
		r = table_addf(t, "%s%.*s", o.no_trunc ? "sha256:" : "",
			       o.no_trunc ? 64 : ID_SHOWN, member(image, "id"));
	if (r == 0)
		r = table_add_age(t, image, now);
	return r == 0 ? table_add_size(t, image) : r;
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

/* A whole name, one without registry or tag, or without either. */
static bool is_named(const char *name, const char *wanted)
{
	size_t n = strlen(wanted);

	if (n == 0) /* strstr() would find it even behind the end */
		return false;
	for (const char *at = name; (at = strstr(at, wanted)); at++) {
		bool begins = at == name || at[-1] == '/';
		bool ends =
			!at[n] || at[n] == '@' || (at[n] == ':' && !strchr(at + n, '/'));

		if (begins && ends)
			return true;
	}
	return false;
}

static void keep_named(json_t *list)
{
	for (size_t i = json_array_size(list); i-- > 0;) {
		json_t *names = json_object_get(json_array_get(list, i), "names");

		for (size_t k = json_array_size(names); k-- > 0;)
			if (!is_named(json_string_value(json_array_get(names, k)),
				      o.wanted))
				(void)json_array_remove(names, k);
		if (json_array_size(names) == 0)
			(void)json_array_remove(list, i);
	}
}

static void print_id(const json_t *image)
{
	(void)printf("%s%.*s\n", o.no_trunc ? "sha256:" : "", o.no_trunc ? 64 : ID_SHOWN,
		     member(image, "id"));
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	static const char *const plain[] = { "REPOSITORY", "TAG", "IMAGE ID", "CREATED",
					     "SIZE" };
	static const char *const digests[] = { "REPOSITORY", "TAG",     "DIGEST",
					       "IMAGE ID",   "CREATED", "SIZE" };
	struct listing how = {
		.quiet = o.quiet,
		.no_heading = o.no_heading,
		.print_word = print_id,
		.keep = argc > 0 ? keep_named : NULL,
		.add_rows = add_rows,
		.titles = o.digests ? digests : plain,
		.n_titles = o.digests ? ARRAY_SIZE(digests) : ARRAY_SIZE(plain),
	};

	o.wanted = argc > 0 ? argv[0] : NULL;
	return show_list(ctx, o.format, volt_image_list, &how, e);
}

const struct cmd cmd_images = {
	.name = "images",
	.alias = { "image ls", "image list" },
	.args = "[IMAGE]",
	.help = "List images",
	.options = options,
	.max_args = 1,
	.words = WORD_IMAGE,
	.run = run,
};
