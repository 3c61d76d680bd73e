/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/registry.h"

static struct {
	const char *arch, *format, *mode, *os;
	int quiet;
} o;

static const struct poptOption options[] = {
	{ "arch", 0, POPT_ARG_STRING, &o.arch, 0,
	  "For guests of this architecture instead of the host's", "ARCH" },
	OPTION_FORMAT(&o.format),
	{ "mode", 0, POPT_ARG_STRING, &o.mode, 0,
	  "KVM where it works (default), always, or never",
	  "auto|hybrid-kvm|hybrid-emulated" },
	{ "os", 0, POPT_ARG_STRING, &o.os, 0, "What boots; linux is the default",
	  "linux|nanos|windows|uefi" },
	{ "quiet", 'q', POPT_ARG_NONE, &o.quiet, 0, "Only the profile's name", NULL },
	POPT_TABLEEND
};

static int add_row(struct table *t, const json_t *j, int64_t now)
{
	int r;

	if ((r = table_add(t, member(j, "profile"))) < 0 ||
	    (r = table_add(t, member(j, "arch"))) < 0 ||
	    (r = table_add(t, member(j, "accel"))) < 0)
		return r;
	return table_add(t, member(j, "why"));
}

static void print_profile(const json_t *j)
{
	(void)puts(member(j, "profile"));
}

static int ask_which(struct volt_ctx *ctx, json_t **ret, struct volt_error *e)
{
	_cleanup_free_ char *wish = NULL;
	json_auto_t *j = json_object();
	char *text;
	int r = 0;

	if (put_word(j, "mode", o.mode) < 0 || put_word(j, "arch", o.arch) < 0 ||
	    put_word(j, "os", o.os) < 0)
		r = -1;
	if ((r = options_text(j, r, &wish, e)) < 0 ||
	    (r = volt_profile_select(ctx, wish, &text, e)) < 0)
		return r;
	return parse_answer(text, ret, e);
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	static const char *const titles[] = { "PROFILE", "ARCH", "ACCEL", "WHY" };
	json_auto_t *j = NULL, *list = NULL;
	int json = format_is_json(o.format, e), r;
	const struct listing how = {
		.quiet = o.quiet,
		.print_word = print_profile,
		.add_rows = add_row,
		.titles = titles,
		.n_titles = ARRAY_SIZE(titles),
	};

	if (json < 0)
		return json;
	r = ask_which(ctx, &j, e);
	if (r < 0)
		return r;
	if (json)
		return print_json(j, e);
	list = json_pack("[O]", j);
	return list ? print_list(list, &how, e) : fail_oom(e);
}

const struct cmd cmd_qemu_select = {
	.name = "qemu select",
	.args = "",
	.help = "Show which QEMU a machine would get, and why",
	.options = options,
	.run = run,
};
