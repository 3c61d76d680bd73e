/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "cli/cmd.h"
#include "cli/nanos-disk.h"
#include "cli/print.h"

static struct {
	const char *base, *format;
	int tree;
} o;

static const struct poptOption options[] = { OPTION_BASE(&o.base),
					     OPTION_FORMAT(&o.format),
					     { "tree", 0, POPT_ARG_NONE, &o.tree, 0,
					       "Also the paths of all files", NULL },
					     POPT_TABLEEND };

/* Text from a disk, line by line, with nothing in it that moves the cursor. */
static void print_lines(const char *indent, const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *line;

	while (rest && *rest && (line = strsep(&rest, "\n"))) {
		make_printable(line);
		(void)printf("%s%s\n", indent, line);
	}
}

static int add_place(struct table *t, const char *what, const json_t *j)
{
	char size[HUMAN_SIZE];
	int r = table_add(t, what);

	if (r < 0 || json_is_null(j))
		return r < 0 ? r : table_add(t, "none");
	return table_addf(t, "at %lld, %s", (long long)member_int(j, "at"),
			  human_size((uint64_t)member_int(j, "size"), size));
}

static int add_klog(struct table *t, const json_t *k)
{
	int r = table_add(t, "crash log");

	if (r < 0 || json_is_null(k))
		return r < 0 ? r : table_add(t, "none");
	return table_addf(t, "at %lld, exit code %lld, of boot %s",
			  (long long)member_int(k, "at"),
			  (long long)member_int(k, "exit_code"), member(k, "boot_id"));
}

static int add_log(struct table *t, const json_t *fs)
{
	const json_t *log = json_object_get(fs, "log");
	uint64_t bytes = 0;
	char size[HUMAN_SIZE], left[HUMAN_SIZE];
	json_t *x;
	size_t i;
	int r = table_add(t, "  log");

	json_array_foreach(log, i, x)
		bytes += (uint64_t)member_int(x, "size");
	if (r < 0)
		return r;
	return table_addf(t, "%s in %zu parts, %lld records, room for %s more",
			  human_size(bytes, size), json_array_size(log),
			  (long long)member_int(fs, "records"),
			  human_size((uint64_t)member_int(fs, "log_left"), left));
}

static int add_fs(struct table *t, const char *what, const json_t *fs)
{
	char free_text[HUMAN_SIZE], largest[HUMAN_SIZE];
	int r = add_place(t, what, fs);

	if (r < 0 || json_is_null(fs))
		return r;
	if (json_object_get(fs, "error"))
		return (r = table_add(t, "  error")) < 0
			       ? r
			       : table_add(t, member(fs, "error"));
	if ((r = table_add(t, "  label")) < 0 ||
	    (r = table_add(t, *member(fs, "label") ? member(fs, "label") : "none")) < 0 ||
	    (r = table_add(t, "  UUID")) < 0 ||
	    (r = table_add(t, member(fs, "uuid"))) < 0 || (r = add_log(t, fs)) < 0 ||
	    (r = table_add(t, "  free")) < 0)
		return r;
	r = table_addf(t, "%s, at most %s in one piece",
		       human_size((uint64_t)member_int(fs, "free"), free_text),
		       human_size((uint64_t)member_int(fs, "largest_free"), largest));
	if (r < 0 || (r = table_add(t, "  holds")) < 0)
		return r;
	return table_addf(t, "files %lld, directories %lld, links %lld, special %lld",
			  (long long)member_int(fs, "files"),
			  (long long)member_int(fs, "directories"),
			  (long long)member_int(fs, "links"),
			  (long long)member_int(fs, "specials"));
}

static int add_disk(struct table *t, const json_t *j)
{
	char size[HUMAN_SIZE];
	int r = table_add(t, "disk");

	if (r < 0)
		return r;
	r = table_addf(t, "%s, %s%s", human_size((uint64_t)member_int(j, "size"), size),
		       json_is_true(json_object_get(j, "partitioned")) ? "with partitions"
								       : "a volume",
		       json_is_true(json_object_get(j, "overlay")) ? ", an overlay" : "");
	if (r < 0 || (r = add_klog(t, json_object_get(j, "crash_log"))) < 0 ||
	    (r = add_place(t, "EFI", json_object_get(j, "esp"))) < 0 ||
	    (r = add_fs(t, "bootfs", json_object_get(j, "bootfs"))) < 0)
		return r;
	return add_fs(t, "root", json_object_get(j, "root"));
}

static int print_attributes(const json_t *root, struct volt_error *e)
{
	const json_t *j = json_object_get(root, "attributes");
	_cleanup_free_ char *text = NULL;

	if (!j)
		return 0;
	text = json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS);
	if (!text)
		return fail_oom(e);
	(void)puts("\nattributes");
	print_lines("  ", text);
	return 0;
}

static int print_disk(const json_t *j, struct volt_error *e)
{
	static const char *const titles[] = { "", "" };
	const json_t *klog = json_object_get(j, "crash_log");
	_cleanup_(table_freep) struct table *t = NULL;

	if (table_new(titles, ARRAY_SIZE(titles), &t) < 0 || add_disk(t, j) < 0)
		return fail_oom(e);
	table_print(t, false, stdout);
	if (!json_is_null(klog)) {
		(void)puts("\ncrash log");
		print_lines("  ", member(klog, "text"));
	}
	return print_attributes(json_object_get(j, "root"), e);
}

static int print_file(void *data, const struct volt_nanos_file *f)
{
	(void)fputs("  ", stdout);
	print_name(stdout, f->path);
	if (f->target) {
		(void)fputs(" -> ", stdout);
		print_name(stdout, f->target);
	}
	(void)putchar('\n');
	return 0;
}

static int add_file(void *data, const struct volt_nanos_file *f)
{
	return json_array_append_new(data, json_bytes(f->path, strlen(f->path)));
}

static int tree(struct volt_nanos *d, json_t *j, struct volt_error *e)
{
	json_t *paths = j ? json_array() : NULL;
	int r;

	if (j && json_object_set_new(j, "paths", paths) < 0)
		return fail_oom(e);
	if (!j)
		(void)puts("\nfiles");
	r = volt_nanos_list(d, "/", true, j ? add_file : print_file, paths, e);
	return r == -1 ? fail_oom(e) : r;
}

/* What of it cannot be read was shown; the exit status says it, too. */
static int status_of(const json_t *j, const char *disk)
{
	static const char *const names[] = { "bootfs", "root" };
	int status = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *why = member(json_object_get(j, names[i]), "error");

		if (!*why)
			continue;
		(void)fputs("volt nanos dump: disk '", stderr);
		print_name(stderr, disk);
		(void)fprintf(stderr, "', %s: %s\n", names[i], why);
		status = EXIT_VOLT;
	}
	return status;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	_cleanup_(volt_nanos_freep) struct volt_nanos *d = NULL;
	json_auto_t *j = NULL;
	char *got;
	int json = format_is_json(o.format, e), r, status;

	if (json < 0)
		return json;
	if ((r = open_nanos_disk(ctx, argv[0], o.base, false, &d, e)) < 0 ||
	    (r = volt_nanos_dump(d, &got, e)) < 0 || (r = parse_answer(got, &j, e)) < 0)
		return r;
	status = status_of(j, argv[0]);
	if (!json)
		r = print_disk(j, e);
	if (r == 0 && o.tree && status == 0)
		r = tree(d, json ? j : NULL, e);
	if (r == 0 && json)
		r = print_json(j, e);
	return r < 0 ? r : status;
}

const struct cmd cmd_nanos_dump = {
	.name = "nanos dump",
	.args = "DISK",
	.help = "Show how a disk of Nanos is laid out, and its attributes",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.words = WORD_FILE,
	.run = run,
};
