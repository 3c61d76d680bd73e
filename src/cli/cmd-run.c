/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/select.h"
#include "cli/session.h"
#include "cli/timing.h"
#include "cli/wish.h"

static struct {
	const char *detach_keys;
	int detach, foreground, sig_proxy, timing;
} o = { .sig_proxy = 1 };

static const struct poptOption options[] = {
	OPTIONS_INCLUDE(wish_options),
	{ "detach", 'd', POPT_ARG_NONE, &o.detach, 0,
	  "Run in the background and print the machine's id", NULL },
	OPTION_DETACH_KEYS(&o.detach_keys),
	{ "foreground", 0, POPT_ARG_NONE, &o.foreground, 0,
	  "Be its supervisor, for as long as it runs", NULL },
	OPTION_SIG_PROXY(&o.sig_proxy),
	{ "timing", 0, POPT_ARG_NONE, &o.timing, 0, "Print how long each phase took",
	  NULL },
	POPT_TABLEEND
};

struct run {
	struct volt_machine *machine;
	struct volt_attach *attach;
	json_t *spec, *phases;
};

static void run_done(struct run *r)
{
	volt_attach_free(r->attach);
	volt_machine_free(r->machine);
	json_decref(r->spec);
	json_decref(r->phases);
}

static bool wishes(const struct run *r, const char *flag)
{
	return json_is_true(json_object_get(r->spec, flag));
}

/* Returns on failure only. */
static int become(struct run *r, int64_t begun, struct volt_error *e)
{
	json_auto_t *j = json_pack("{s:I, s:b}", "begun", (json_int_t)begun,
				   "remove_on_failure", 1);
	_cleanup_free_ char *text = json_text(j);
	int n = text ? volt_machine_become(r->machine, text, e) : fail_oom(e);

	wish_forget();
	return n;
}

static int start(struct run *r, int64_t begun, int *status, struct volt_error *e)
{
	/* One that never ran was never wished for: nothing is left behind. */
	json_auto_t *j = json_pack("{s:I, s:b, s:b}", "begun", (json_int_t)begun,
				   "remove_on_failure", 1, "stdin",
				   !o.detach && wishes(r, "stdin"));
	_cleanup_free_ char *text = json_text(j);

	if (!text)
		return fail_oom(e);
	return volt_machine_start(r->machine, text, o.detach ? NULL : &r->attach, status,
				  e);
}

/* A machine with --rm is gone when it ends. The last phase, the first output, is when it
 * got here. */
static void take_phases(void *data, bool output)
{
	struct run *r = data;
	int64_t now = clock_monotonic();

	if (!o.timing)
		return;
	r->phases = timing_take(r->machine);
	if (r->phases && output)
		(void)json_object_set_new(r->phases, "workload", json_integer(now));
}

/* Emulation is slow and no boundary: a person is told, once, before anything else. */
static void say_if_emulated(const struct run *r)
{
	json_auto_t *j = NULL;
	const char *note;

	if (wish_is_quiet() || !isatty(STDERR_FILENO) ||
	    inspect_machine(r->machine, &j, NULL) < 0)
		return;
	note = member(json_object_get(j, "state"), "accel_note");
	if (*note)
		(void)fprintf(stderr, "volt run: emulated: %s\n", note);
}

static int converse(struct run *r, struct volt_error *e)
{
	const struct session s = {
		.machine = r->machine,
		.attach = r->attach,
		.tty = wishes(r, "tty"),
		.in = wishes(r, "stdin"),
		.sig_proxy = o.sig_proxy,
		.detach_keys = o.detach_keys,
		.first_output = take_phases,
		.data = r,
	};
	int status = session_run(&s, e);

	return status == SESSION_DETACHED ? 0 : status;
}

static int check_options(struct volt_error *e)
{
	if (o.detach && o.detach_keys)
		return fail(e, EINVAL,
			    "'--detach' and '--detach-keys' exclude each other");
	if (o.foreground && (o.detach || o.detach_keys || o.timing))
		return fail(e, EINVAL, "'--foreground' and '%s' exclude each other",
			    o.detach        ? "--detach"
			    : o.detach_keys ? "--detach-keys"
					    : "--timing");
	return 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	_cleanup_(run_done) struct run w = { 0 };
	int64_t begun = clock_monotonic();
	int r, status = EXIT_VOLT;

	if ((r = check_options(e)) < 0 || (r = wish_spec(argc, argv, &w.spec, e)) < 0)
		return r;
	r = wish_create(ctx, w.spec, true, &w.machine, e);
	progress_clear();
	if (r < 0)
		return r;
	if (o.foreground)
		return become(&w, begun, e);
	r = start(&w, begun, &status, e);
	if (r < 0) {
		(void)fprintf(stderr, "volt run: %s\n", e->msg);
		wish_forget();
		return status;
	}
	say_if_emulated(&w);
	if (o.detach) {
		take_phases(&w, false);
		(void)puts(volt_machine_id(w.machine));
	} else {
		r = converse(&w, e);
	}
	if (w.phases)
		timing_print(w.phases);
	return r;
}

const struct cmd cmd_run = {
	.name = "run",
	.alias = { "machine run" },
	.args = "IMAGE [COMMAND [ARG...]]",
	.help = "Create a machine from an image and start it",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.words = WORD_IMAGE_FIRST,
	.run = run,
};
