/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/strv.h"
#include "lib/internal.h"
#include "vm/attach.h"
#include "vm/logs.h"
#include "vm/prepare.h"
#include "vm/signals.h"

int volt_machine_open(struct volt_ctx *ctx, const char *name, struct volt_machine **ret,
		      struct volt_error *e)
{
	_cleanup_(volt_machine_freep) struct volt_machine *vm = calloc(1, sizeof(*vm));
	const struct vm_env *env = ctx_env(ctx);
	int r;

	if (!vm)
		return fail_oom(e);
	vm->ctx = ctx;
	r = machine_open(env, name, &vm->m, e);
	if (r < 0)
		return r == -ENOTUNIQ ? -EEXIST : r;
	*ret = TAKE_PTR(vm);
	return 0;
}

void volt_machine_free(struct volt_machine *m)
{
	if (!m)
		return;
	machine_close(m->m);
	free(m);
}

const char *volt_machine_id(const struct volt_machine *m)
{
	return machine_id(m->m);
}

static int prepare_env(struct volt_machine *m, struct volt_error *e)
{
	const struct spec *s;
	int r = machine_spec(m->m, &s, e);

	if (r < 0)
		return r;
	return ctx_start_env(m->ctx, s->guest == GUEST_LINUX ? s->arch : NULL, e);
}

int volt_machine_lock(struct volt_machine *m, char **ret, struct volt_error *e)
{
	struct pins pins = { 0 };
	const struct spec *s;
	json_t *lock = NULL;
	int r;

	if ((r = machine_spec(m->m, &s, e)) < 0 || (r = prepare_env(m, e)) < 0)
		return r;
	if (s->guest == GUEST_DISK)
		return fail(e, EINVAL, "a disk has no lock: it changes as it is used");
	r = prepare_pins(ctx_env(m->ctx), s, &pins, e);
	if (r == 0)
		lock = lock_make(s, &pins);
	pins_done(&pins);
	return answer(r, lock, ret, e);
}

int volt_machine_start(struct volt_machine *m, const char *options,
		       struct volt_attach **ret, int *ret_status, struct volt_error *e)
{
	static const char *const known[] = { "begun", "remove_on_failure", "stdin",
					     NULL };
	struct start_options o = { .resolved = m->resolved };
	struct attach *attach = NULL;
	json_auto_t *j = NULL;
	int r;

	if (ret_status)
		*ret_status = 125;
	o.begun = clock_monotonic();
	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = json_get_int(j, "begun", 1, INT64_MAX, &o.begun, e)) < 0 ||
	    (r = json_get_bool(j, "remove_on_failure", &o.remove_on_failure, e)) < 0 ||
	    (r = json_get_bool(j, "stdin", &o.attach_stdin, e)) < 0)
		return r;
	if (o.attach_stdin && !ret)
		return fail(e, EINVAL, "'stdin' without streams");
	o.attach = ret ? &attach : NULL;
	r = prepare_env(m, e);
	if (r == 0)
		r = machine_start(m->m, &o, ret_status, e);
	if (r < 0)
		return r;
	m->resolved = 0; /* of that start only */
	return ret ? attach_wrap(m, attach, ret, e) : 0;
}

int volt_machine_become(struct volt_machine *m, const char *options, struct volt_error *e)
{
	static const char *const known[] = { "begun", "remove_on_failure", NULL };
	struct start_options o = { .begun = clock_monotonic(), .resolved = m->resolved };
	json_auto_t *j = NULL;
	int r;

	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = json_get_int(j, "begun", 1, INT64_MAX, &o.begun, e)) < 0 ||
	    (r = json_get_bool(j, "remove_on_failure", &o.remove_on_failure, e)) < 0 ||
	    (r = prepare_env(m, e)) < 0)
		return r;
	return machine_become(m->m, &o, e);
}

int volt_machine_stop(struct volt_machine *m, int timeout, struct volt_error *e)
{
	return machine_stop(m->m, timeout, e);
}

int volt_machine_kill(struct volt_machine *m, const char *signal, struct volt_error *e)
{
	int number = SIGKILL;

	if (signal_parse(signal, &number) < 0)
		return fail(e, EINVAL, "signal '%s' is not known", signal);
	return machine_kill(m->m, number, e);
}

int volt_machine_pause(struct volt_machine *m, bool on, struct volt_error *e)
{
	return machine_pause(m->m, on, e);
}

int volt_machine_restart(struct volt_machine *m, int timeout, struct volt_error *e)
{
	int r = machine_stop(m->m, timeout, e);

	return r < 0 ? r : volt_machine_start(m, NULL, NULL, NULL, e);
}

int volt_machine_remove(struct volt_machine *m, bool force, struct volt_error *e)
{
	return machine_remove(m->m, force, e);
}

int volt_machine_wait(struct volt_machine *m, int *ret, struct volt_error *e)
{
	return machine_wait(m->m, ret, e);
}

int volt_machine_inspect(struct volt_machine *m, char **ret, struct volt_error *e)
{
	json_t *j = NULL;
	int r = machine_inspect(m->m, &j, e);

	return answer(r, j, ret, e);
}

struct logs {
	volt_logs_fn fn;
	void *data;
};

static int pass_record(void *data, const struct log_record *r)
{
	const struct logs *l = data;
	int stream = r->stream == LOG_STDOUT ? 1 : r->stream == LOG_STDERR ? 2 : 0;

	return l->fn(l->data, r->time, stream, r->data, r->size, r->partial);
}

int volt_machine_logs(struct volt_machine *m, const char *options, volt_logs_fn fn,
		      void *data, struct volt_error *e)
{
	static const char *const known[] = { "follow", "tail",    "since",
					     "until",  "console", NULL };
	struct logs_options o = { .streams = LOG_STDOUT | LOG_STDERR, .tail = -1 };
	struct logs l = { fn, data };
	const struct spec *s;
	json_auto_t *j = NULL;
	bool console = false;
	int r;

	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = json_get_bool(j, "follow", &o.follow, e)) < 0 ||
	    (r = json_get_bool(j, "console", &console, e)) < 0 ||
	    (r = json_get_int(j, "tail", -1, INT64_MAX, &o.tail, e)) < 0 ||
	    (r = json_get_int(j, "since", 0, INT64_MAX, &o.since, e)) < 0 ||
	    (r = json_get_int(j, "until", 0, INT64_MAX, &o.until, e)) < 0)
		return r;
	r = machine_spec(m->m, &s, e);
	if (r < 0)
		return r;
	/* What boots by itself has no other output. */
	if (console || s->guest == GUEST_DISK)
		o.streams = LOG_CONSOLE;
	return machine_logs(m->m, &o, pass_record, &l, e);
}
