/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"
#include "cli/select.h"
#include "cli/session.h"

static struct selection sel = { .command = "attach" };

static struct {
	const char *detach_keys;
	int no_stdin, sig_proxy;
} o = { .sig_proxy = 1 };

static const struct poptOption options[] = { OPTION_DETACH_KEYS(&o.detach_keys),
					     OPTION_LATEST(sel),
					     { "no-stdin", 0, POPT_ARG_NONE, &o.no_stdin,
					       0, "Do not send it our stdin", NULL },
					     OPTION_SIG_PROXY(&o.sig_proxy),
					     POPT_TABLEEND };

static int attach(struct volt_machine *m, struct volt_error *e)
{
	struct session s = { .sig_proxy = o.sig_proxy, .detach_keys = o.detach_keys };
	int r = session_init(&s, m, e);

	if (r < 0)
		return r;
	s.in = s.in && !o.no_stdin;
	r = volt_machine_attach(m, s.in ? "{\"stdin\":true}" : NULL, &s.attach, e);
	if (r < 0)
		return r;
	r = session_run(&s, e);
	volt_attach_free(s.attach);
	return r == SESSION_DETACHED ? 0 : r;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	struct volt_machine *m = NULL;
	int r;

	r = select_one(ctx, &sel, argv, &m, e);
	if (r == 0)
		r = attach(m, e);
	volt_machine_free(m);
	return r;
}

const struct cmd cmd_attach = {
	.name = "attach",
	.alias = { "machine attach" },
	.args = "[MACHINE]",
	.help = "Talk to what runs in a machine",
	.options = options,
	.max_args = 1,
	.words = WORD_MACHINE,
	.run = run,
};
