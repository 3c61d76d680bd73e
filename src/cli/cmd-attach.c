/* SPDX-License-Identifier: Apache-2.0 */

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/select.h"
#include "cli/session.h"

static struct selection sel = { .command = "attach" };

static struct {
	const char *detach_keys;
	int no_stdin, sig_proxy;
} o = { .sig_proxy = 1 };

static const struct poptOption options[] = {
	{ "detach-keys", 0, POPT_ARG_STRING, &o.detach_keys, 0,
	  "Keys that leave it running (ctrl-p,ctrl-q)", "KEYS" },
	OPTION_LATEST(sel),
	{ "no-stdin", 0, POPT_ARG_NONE, &o.no_stdin, 0, "Do not send it our stdin",
	  NULL },
	{ "sig-proxy", 0, POPT_ARG_NONE, &o.sig_proxy, 0,
	  "Pass signals on to it (default); =false does not", NULL },
	POPT_TABLEEND
};

static int attach(struct volt_machine *m, struct volt_error *e)
{
	struct session s = { .machine = m,
			     .sig_proxy = o.sig_proxy,
			     .detach_keys = o.detach_keys };
	json_auto_t *j = NULL;
	const json_t *spec;
	char *text;
	int r;

	r = volt_machine_inspect(m, &text, e);
	if (r == 0)
		r = parse_answer(text, &j, e);
	if (r < 0)
		return r;
	spec = json_object_get(j, "spec");
	s.tty = json_is_true(json_object_get(spec, "tty"));
	s.in = !o.no_stdin && json_is_true(json_object_get(spec, "stdin"));
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
