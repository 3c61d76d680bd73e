/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/select.h"

#define ID_SHOWN      12
#define COMMAND_SHOWN 20

static struct {
	const char *format, **filter;
	int all, last, latest, no_heading, no_trunc, quiet;
} o = { .last = -1 };

static const struct poptOption options[] = {
	{ "all", 'a', POPT_ARG_NONE, &o.all, 0, "Also those that do not run", NULL },
	OPTION_FILTER(o),
	OPTION_FORMAT(&o.format),
	{ "last", 'n', POPT_ARG_INT, &o.last, 0, "The N created last, running or not",
	  "N" },
	OPTION_LATEST(o),
	{ "no-trunc", 0, POPT_ARG_NONE, &o.no_trunc, 0, "Do not shorten anything", NULL },
	OPTION_NO_HEADING(0, &o.no_heading),
	{ "quiet", 'q', POPT_ARG_NONE, &o.quiet, 0, "Only the ids", NULL },
	POPT_TABLEEND
};

static int add_ports(struct table *t, const json_t *ports)
{
	char *text = NULL;
	size_t size, i;
	json_t *p;
	FILE *f = open_memstream(&text, &size);
	int r;

	if (!f)
		return -ENOMEM;
	json_array_foreach(ports, i, p) {
		const char *ip = member(p, "host_ip");
		bool v6 = strchr(ip, ':') != NULL;

		(void)fprintf(f, "%s%s%s%s:%lld->%lld/%s", i ? ", " : "", v6 ? "[" : "",
			      ip, v6 ? "]" : "", (long long)member_int(p, "host_port"),
			      (long long)member_int(p, "guest_port"),
			      member(p, "protocol"));
	}
	r = fclose(f) == 0 ? table_add(t, text) : -ENOMEM;
	free(text);
	return r;
}

static int add_status(struct table *t, const json_t *m, int64_t now)
{
	const char *status = member(m, "status");
	char ago[HUMAN_SIZE];
	bool ended = strcmp(status, "exited") == 0 || strcmp(status, "failed") == 0;

	if (ended)
		return table_addf(
			t, "%s (%lld) %s ago", status[0] == 'e' ? "Exited" : "Failed",
			(long long)member_int(m, "exit_code"),
			human_duration(now - member_time(m, "finished_at"), ago));
	if (strcmp(status, "running") == 0 || strcmp(status, "paused") == 0)
		return table_addf(t, "Up %s%s",
				  human_duration(now - member_time(m, "started_at"), ago),
				  status[0] == 'p' ? " (Paused)" : "");
	return table_addf(t, "%c%s", status[0] & ~0x20, status[0] ? status + 1 : "");
}

static int add_command(struct table *t, const char *command)
{
	int n = COMMAND_SHOWN - 3;

	if (o.no_trunc || strlen(command) <= COMMAND_SHOWN)
		return table_add(t, command);
	/* not in the middle of a character */
	while (n > 0 && ((unsigned char)command[n] & 0xc0) == 0x80)
		n--;
	return table_addf(t, "%.*s...", n, command);
}

static int add_row(struct table *t, const json_t *m, int64_t now)
{
	int r;

	r = table_addf(t, "%.*s", o.no_trunc ? 64 : ID_SHOWN, member(m, "id"));
	if (r < 0 || (r = table_add(t, member(m, "image"))) < 0 ||
	    (r = add_command(t, member(m, "command"))) < 0 ||
	    (r = table_add_age(t, m, now)) < 0 || (r = add_status(t, m, now)) < 0 ||
	    (r = add_ports(t, json_object_get(m, "ports"))) < 0)
		return r;
	return table_add(t, member(m, "name"));
}

static void print_id(const json_t *m)
{
	(void)printf("%.*s\n", o.no_trunc ? 64 : ID_SHOWN, member(m, "id"));
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	static const char *const titles[] = { "MACHINE ID", "IMAGE", "COMMAND", "CREATED",
					      "STATUS",     "PORTS", "NAMES" };
	json_auto_t *list = NULL;
	int json = format_is_json(o.format, e), r;
	size_t last = o.latest ? 1 : (size_t)o.last;
	const struct listing how = {
		.json = json > 0,
		.quiet = o.quiet,
		.no_heading = o.no_heading,
		.print_word = print_id,
		.add_rows = add_row,
		.titles = titles,
		.n_titles = ARRAY_SIZE(titles),
	};

	if (json < 0)
		return json;
	if (o.last == 0 || o.last < -1)
		return fail(e, EINVAL, "option '--last': %d is less than 1", o.last);
	r = select_list(ctx, o.all || o.latest || o.last > 0, o.filter, &list, e);
	if (r < 0)
		return r;
	while (json_array_size(list) > last)
		(void)json_array_remove(list, json_array_size(list) - 1);
	return print_list(list, &how, e);
}

const struct cmd cmd_ps = {
	.name = "ps",
	.alias = { "list", "machine ls", "machine list" },
	.args = "",
	.help = "List machines",
	.options = options,
	.run = run,
};
