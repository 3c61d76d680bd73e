/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/print.h"

static const char *format;

static const struct poptOption options[] = { OPTION_FORMAT(&format), POPT_TABLEEND };

static int add_line(struct table *t, const char *title, const char *text)
{
	int r = *text ? table_add(t, title) : 0;

	return r < 0 || !*text ? r : table_add(t, text);
}

static int add_part(struct table *t, const char *title, const json_t *part)
{
	int64_t files = member_int(part, "files");
	char size[HUMAN_SIZE];
	int r = table_add(t, title);

	return r < 0 ? r
		     : table_addf(t, "%lld %s, %s", (long long)files,
				  files == 1 ? "file" : "files",
				  human_size((uint64_t)member_int(part, "bytes"), size));
}

/* Words with a blank between. */
static int add_words(struct table *t, const char *title, const json_t *words)
{
	_cleanup_free_ char *text = NULL;
	json_t *word;
	size_t i, size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return -1;
	json_array_foreach(words, i, word)
		(void)fprintf(f, "%s%s", i > 0 ? " " : "", json_string_value(word));
	return fclose(f) == 0 ? add_line(t, title, text) : -1;
}

static int add_sizes(struct table *t, const json_t *p)
{
	uint64_t shared = (uint64_t)member_int(p, "shared");
	char size[HUMAN_SIZE], text[HUMAN_SIZE];
	int r;

	if ((r = add_part(t, "binaries", json_object_get(p, "binaries"))) < 0 ||
	    (r = add_part(t, "libraries", json_object_get(p, "libraries"))) < 0 ||
	    (r = add_part(t, "firmware", json_object_get(p, "firmware"))) < 0 ||
	    (r = table_add(t, "size")) < 0)
		return r;
	return table_addf(t, "%s, of which other profiles have %s",
			  human_size((uint64_t)member_int(p, "size"), size),
			  human_size(shared, text));
}

static int add_profile(struct table *t, const json_t *p)
{
	bool current = json_is_true(json_object_get(p, "current"));
	const char *path = member(p, "path");
	int r;

	if ((r = add_line(t, "profile", member(p, "name"))) < 0 ||
	    (r = table_add(t, "version")) < 0 ||
	    (r = table_addf(t, "%s%s", member(p, "ref"), current ? " (current)" : "")) <
		    0 ||
	    (r = add_line(t, "digest", member(p, "digest"))) < 0 ||
	    (r = add_line(t, "QEMU", member(p, "qemu_version"))) < 0 ||
	    (r = add_line(t, "made of", member(p, "source"))) < 0 ||
	    (r = add_line(t, "made on", member(p, "build_host"))) < 0 ||
	    (r = add_line(t, "created", member(p, "created_at"))) < 0 ||
	    (r = add_line(t, "runs on", member(p, "arch"))) < 0 ||
	    (r = add_words(t, "guests", json_object_get(p, "guests"))) < 0 ||
	    (r = add_words(t, "can", json_object_get(p, "capabilities"))) < 0 ||
	    (r = add_sizes(t, p)) < 0)
		return r;
	return add_line(t, "assembled", *path ? path : "not yet");
}

static int print_profile(const json_t *p, struct volt_error *e)
{
	static const char *const titles[] = { "", "" };
	_cleanup_(table_freep) struct table *t = NULL;

	if (table_new(titles, ARRAY_SIZE(titles), &t) < 0 || add_profile(t, p) < 0)
		return fail_oom(e);
	table_print(t, false, stdout);
	return 0;
}

/* Takes what is there; the exit status says that not all was. */
static int ask_all(struct volt_ctx *ctx, int argc, const char **argv, json_t *ret,
		   struct volt_error *e)
{
	int status = 0, r;

	for (int i = 0; i < argc; i++) {
		json_t *p = NULL;
		char *text;

		r = volt_profile_inspect(ctx, argv[i], &text, e);
		if (r < 0) {
			(void)fprintf(stderr, "volt qemu show: %s\n", e->msg);
			status = EXIT_VOLT;
			continue;
		}
		r = parse_answer(text, &p, e);
		if (r == 0 && json_array_append_new(ret, p) < 0)
			r = fail_oom(e);
		if (r < 0)
			return r;
	}
	return status;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *all = json_array();
	int json = format_is_json(format, e), status, r = 0;
	json_t *p;
	size_t i;

	if (json < 0)
		return json;
	status = ask_all(ctx, argc, argv, all, e);
	if (status < 0)
		return status;
	if (json) {
		r = print_json(all, e);
		return r < 0 ? r : status;
	}
	json_array_foreach(all, i, p) {
		if (i > 0)
			(void)putchar('\n');
		r = print_profile(p, e);
		if (r < 0)
			return r;
	}
	return status;
}

const struct cmd cmd_qemu_show = {
	.name = "qemu show",
	.alias = { "qemu inspect" },
	.args = "PROFILE...",
	.help = "Show all about profiles",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.words = WORD_PROFILE,
	.run = run,
};
