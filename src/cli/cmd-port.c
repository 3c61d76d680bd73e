/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/select.h"

static struct selection sel = { .command = "port" };

static const struct poptOption options[] = { OPTION_LATEST(sel), POPT_TABLEEND };

/* Is @port what was asked for ("80", "53/udp")? */
static bool is_wanted(const json_t *port, const char *wanted)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%lld/%s",
		       (long long)member_int(port, "guest_port"),
		       member(port, "protocol"));
	return strcmp(text, wanted) == 0 ||
	       (strcmp(member(port, "protocol"), "tcp") == 0 &&
		strlen(wanted) + 4 == strlen(text) &&
		strncmp(text, wanted, strlen(wanted)) == 0);
}

static void print_port(const json_t *port, bool alone)
{
	const char *ip = member(port, "host_ip");
	bool v6 = strchr(ip, ':') != NULL;

	if (!alone)
		(void)printf("%lld/%s -> ", (long long)member_int(port, "guest_port"),
			     member(port, "protocol"));
	(void)printf("%s%s%s:%lld\n", v6 ? "[" : "", ip, v6 ? "]" : "",
		     (long long)member_int(port, "host_port"));
}

static int print_ports(const json_t *ports, const char *wanted, struct volt_error *e)
{
	bool found = false;
	json_t *port;
	size_t i;

	json_array_foreach(ports, i, port) {
		if (wanted && !is_wanted(port, wanted))
			continue;
		print_port(port, wanted != NULL);
		found = true;
	}
	if (wanted && !found)
		return fail(e, ENOENT, "port '%s' is not published", wanted);
	return 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	struct volt_machine *m = NULL;
	json_auto_t *j = NULL;
	int named = sel.latest ? 0 : 1, r;
	const char *which[] = { named && argc > 0 ? argv[0] : NULL, NULL };

	if (argc > named + 1)
		return fail(e, EINVAL, "one machine and one port at a time");
	r = select_one(ctx, &sel, which, &m, e);
	if (r < 0)
		return r;
	r = inspect_machine(m, &j, e);
	volt_machine_free(m);
	if (r < 0)
		return r;
	return print_ports(json_object_get(json_object_get(j, "state"), "ports"),
			   argc > named ? argv[named] : NULL, e);
}

const struct cmd cmd_port = {
	.name = "port",
	.alias = { "machine port" },
	.args = "[MACHINE] [PORT[/PROTOCOL]]",
	.help = "Show where a machine's ports are reachable",
	.options = options,
	.max_args = 2,
	.words = WORD_MACHINE,
	.run = run,
};
