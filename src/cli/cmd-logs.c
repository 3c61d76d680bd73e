/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/select.h"

static struct selection sel = { .command = "logs" };

static struct {
	const char *since, *until;
	int console, follow, names, timestamps;
	long long tail;
} o = { .tail = -1 };

static const struct poptOption options[] = {
	{ "console", 0, POPT_ARG_NONE, &o.console, 0,
	  "What the kernel and init wrote, instead of the workload", NULL },
	{ "follow", 'f', POPT_ARG_NONE, &o.follow, 0, "Go on until it has ended", NULL },
	OPTION_LATEST(sel),
	{ "names", 'n', POPT_ARG_NONE, &o.names, 0, "Put the machine's name in front",
	  NULL },
	{ "since", 0, POPT_ARG_STRING, &o.since, 0,
	  "Not what is older: a time, or so long ago (10m)", "TIME" },
	{ "tail", 0, POPT_ARG_LONGLONG, &o.tail, 0, "Only the last N lines", "N" },
	{ "timestamps", 't', POPT_ARG_NONE, &o.timestamps, 0, "Put the time in front",
	  NULL },
	{ "until", 0, POPT_ARG_STRING, &o.until, 0, "Not what is newer, as --since",
	  "TIME" },
	POPT_TABLEEND
};

/* RFC 3339, its date or date and time alone (in UTC), seconds since 1970, or a duration
 * before now. */
static int time_parse(const char *option, const char *text, json_t *j,
		      struct volt_error *e)
{
	static const char *const rest[] = { "", "Z", "T00:00:00Z" };
	char full[64], *end;
	int64_t ns = 0;
	double seconds;
	int r = -EINVAL;

	for (size_t i = 0; r < 0 && i < ARRAY_SIZE(rest); i++) {
		(void)snprintf(full, sizeof(full), "%s%s", text, rest[i]);
		r = clock_parse(full, &ns);
	}
	if (r < 0) {
		r = duration_parse(text, &ns);
		ns = clock_wall() - ns;
	}
	seconds = strtod(text, &end);
	if (r < 0 && end != text && !*end && seconds >= 0 && seconds < 9e9) {
		ns = (int64_t)(seconds * 1e9);
		r = 0;
	}
	if (r < 0)
		return fail(e, EINVAL,
			    "option '--%s': '%s' is neither a time nor a duration",
			    option, text);
	return json_object_set_new(j, option, json_integer(ns)) < 0 ? fail_oom(e) : 0;
}

struct printer {
	const char *name;
	bool inside[3]; /* a line that has begun, by stream */
};

static int print_line(void *data, int64_t ns, int stream, const void *bytes, size_t size,
		      bool partial)
{
	struct printer *p = data;
	FILE *f = stream == 2 ? stderr : stdout;
	char when[CLOCK_TEXT_SIZE];

	if (!p->inside[stream] && o.names)
		(void)fprintf(f, "%s ", p->name);
	if (!p->inside[stream] && o.timestamps)
		(void)fprintf(f, "%s ", clock_text(ns, when));
	(void)fwrite(bytes, 1, size, f);
	if (!partial)
		(void)fputc('\n', f);
	p->inside[stream] = partial;
	/* Nobody reads any more: no reason to go on. */
	return o.follow && fflush(f) != 0 ? -errno : 0;
}

static int show(struct volt_machine *m, const char *name, void *data,
		struct volt_error *e)
{
	struct printer p = { .name = name };
	int r = volt_machine_logs(m, data, print_line, &p, e);

	return r == -EPIPE ? 0 : r;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *j =
		json_pack("{s:b, s:b}", "follow", o.follow, "console", o.console);
	_cleanup_free_ char *text = NULL;
	int r = 0;

	if (o.follow && argc > 1)
		return fail(e, EINVAL, "'--follow' is for one machine");
	if (o.tail >= 0)
		r = json_object_set_new(j, "tail", json_integer(o.tail));
	if (r == 0 && o.since)
		r = time_parse("since", o.since, j, e);
	if (r == 0 && o.until)
		r = time_parse("until", o.until, j, e);
	if (r < 0)
		return r;
	text = json_text(j);
	if (!text)
		return fail_oom(e);
	return select_each(ctx, &sel, argv, show, text, e);
}

const struct cmd cmd_logs = {
	.name = "logs",
	.alias = { "machine logs" },
	.args = "[MACHINE...]",
	.help = "Show what machines wrote",
	.options = options,
	.max_args = -1,
	.words = WORD_MACHINE,
	.run = run,
};
