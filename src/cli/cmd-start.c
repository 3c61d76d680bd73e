/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/select.h"
#include "cli/session.h"

static struct selection sel = { .command = "start",
				.at_once = true,
				.print_names = true };

static struct {
	const char *detach_keys;
	int attach, foreground, interactive, sig_proxy;
} o = { .sig_proxy = 1 };

static const struct poptOption options[] = {
	{ "all", 0, POPT_ARG_NONE, &sel.all, 0, "Start every machine", NULL },
	{ "attach", 'a', POPT_ARG_NONE, &o.attach, 0, "Show its stdout and stderr",
	  NULL },
	OPTION_DETACH_KEYS(&o.detach_keys),
	OPTION_FILTER(sel),
	{ "foreground", 0, POPT_ARG_NONE, &o.foreground, 0,
	  "Be its supervisor, for as long as it runs", NULL },
	{ "interactive", 'i', POPT_ARG_NONE, &o.interactive, 0,
	  "Send it our stdin; with --attach", NULL },
	OPTION_LATEST(sel),
	OPTION_SIG_PROXY(&o.sig_proxy),
	POPT_TABLEEND
};

static int start(struct volt_machine *m, const char *name, void *data,
		 struct volt_error *e)
{
	int r = volt_machine_start(m, NULL, NULL, NULL, e);

	return r == -EALREADY ? 0 : r;
}

static int start_attached(struct volt_machine *m, struct volt_error *e)
{
	struct session s = { .sig_proxy = o.sig_proxy, .detach_keys = o.detach_keys };
	int r = session_init(&s, m, e), status = EXIT_VOLT;

	if (r < 0)
		return r;
	s.in = s.in && o.interactive;
	r = volt_machine_start(m, s.in ? "{\"stdin\":true}" : NULL, &s.attach, &status,
			       e);
	if (r < 0) {
		(void)fprintf(stderr, "volt start: %s\n", e->msg);
		return status;
	}
	r = session_run(&s, e);
	volt_attach_free(s.attach);
	return r == SESSION_DETACHED ? 0 : r;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	struct volt_machine *m = NULL;
	int r;

	if (o.interactive && !o.attach)
		return fail(e, EINVAL, "'--interactive' needs '--attach'");
	if (o.foreground && o.attach)
		return fail(e, EINVAL,
			    "'--foreground' and '--attach' exclude each other");
	if (!o.attach && !o.foreground)
		return select_each(ctx, &sel, argv, start, NULL, e);
	r = select_one(ctx, &sel, argv, &m, e);
	if (r == 0)
		r = o.foreground ? volt_machine_become(m, NULL, e) : start_attached(m, e);
	volt_machine_free(m);
	return r;
}

const struct cmd cmd_start = {
	.name = "start",
	.alias = { "machine start" },
	.args = "[MACHINE...]",
	.help = "Start machines",
	.options = options,
	.max_args = -1,
	.words = WORD_MACHINE,
	.run = run,
};
