/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"
#include "cli/print.h"

static struct {
	const char *format;
	int no_heading, quiet, unused;
} o;

static const struct poptOption options[] = {
	OPTION_FORMAT(&o.format),
	OPTION_NO_HEADING('n', &o.no_heading),
	{ "quiet", 'q', POPT_ARG_NONE, &o.quiet, 0, "Only the digests", NULL },
	{ "unused", 0, POPT_ARG_NONE, &o.unused, 0,
	  "Only objects that nothing needs any more", NULL },
	POPT_TABLEEND
};

static const char *kinds(const json_t *object)
{
	bool plain = json_is_true(json_object_get(object, "plain"));
	bool exec = json_is_true(json_object_get(object, "executable"));

	return plain && exec ? "both" : exec ? "program" : "file";
}

static int add_row(struct table *t, const json_t *object, int64_t now)
{
	bool kept = json_is_true(json_object_get(object, "kept"));
	int r;

	if ((r = table_add(t, member(object, "hash"))) < 0 ||
	    (r = table_add_size(t, object)) < 0 ||
	    (r = table_add(t, kinds(object))) < 0 ||
	    (r = table_addf(t, "%lld", (long long)member_int(object, "links"))) < 0)
		return r;
	return table_add(t, kept ? "yes" : "no");
}

static void drop_kept(json_t *list)
{
	for (size_t i = json_array_size(list); i-- > 0;)
		if (json_is_true(json_object_get(json_array_get(list, i), "kept")))
			(void)json_array_remove(list, i);
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	static const char *const titles[] = { "OBJECT", "SIZE", "KIND", "LINKS", "KEPT" };
	struct listing how = {
		.quiet = o.quiet,
		.no_heading = o.no_heading,
		.word = "hash",
		.keep = o.unused ? drop_kept : NULL,
		.add_rows = add_row,
		.titles = titles,
		.n_titles = ARRAY_SIZE(titles),
	};

	return show_list(ctx, o.format, volt_store_list, &how, e);
}

const struct cmd cmd_cas_ls = {
	.name = "cas ls",
	.alias = { "cas list" },
	.args = "",
	.help = "List the objects in the store",
	.options = options,
	.run = run,
};
