/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/attach.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/error.h"
#include "lib/internal.h"

struct volt_attach {
	struct volt_machine *machine; /* borrowed */
	struct attach *a;
};

int attach_wrap(struct volt_machine *m, struct attach *a, struct volt_attach **ret,
		struct volt_error *e)
{
	struct volt_attach *va = calloc(1, sizeof(*va));

	if (!va) {
		attach_close(a);
		return fail_oom(e);
	}
	va->machine = m;
	va->a = a;
	*ret = va;
	return 0;
}

int volt_machine_attach(struct volt_machine *m, const char *options,
			struct volt_attach **ret, struct volt_error *e)
{
	static const char *const known[] = { "stdin", NULL };
	json_auto_t *j = NULL;
	struct attach *a;
	bool in = false;
	int r;

	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = json_get_bool(j, "stdin", &in, e)) < 0 ||
	    (r = attach_open(m->m, in ? ATTACH_STDIN : 0, &a, e)) < 0)
		return r;
	return attach_wrap(m, a, ret, e);
}

int volt_attach_fd(const struct volt_attach *a)
{
	return attach_fd(a->a);
}

short volt_attach_events(const struct volt_attach *a)
{
	return (short)(POLLIN | (attach_unsent(a->a) ? POLLOUT : 0));
}

/* The supervisor says how it ended; where that died first, the machine's record does. */
static int ended(struct volt_attach *a, const struct attach_event *ev,
		 struct volt_output *ret, struct volt_error *e)
{
	struct state st = { 0 };
	int r;

	ret->stream = 0;
	ret->status = ev->code;
	if (ev->kind == ATTACH_GONE) {
		r = machine_wait(a->machine->m, &ret->status, e);
		/* One that removes itself took its record along. */
		if (r == -EIDRM || machine_state(a->machine->m, &st, NULL) == -EIDRM)
			return fail(e, EPIPE, "the machine's supervisor died");
		state_done(&st);
		return r;
	}
	return ev->reason[0] ? fail(e, EIO, "%s", ev->reason) : 0;
}

int volt_attach_next(struct volt_attach *a, struct volt_output *ret, struct volt_error *e)
{
	struct attach_event ev = { 0 };
	int r = attach_flush(a->a);

	/* What cannot be sent any more does not keep what was said before from us. */
	if (r < 0 && r != -EAGAIN && r != -EPIPE)
		return fail_code(e, r, "send to the machine");
	r = attach_next(a->a, &ev, e);
	if (r < 0)
		return r;
	*ret = (struct volt_output){ 0 };
	if (ev.kind != ATTACH_OUT && ev.kind != ATTACH_ERR)
		return ended(a, &ev, ret, e);
	ret->stream = ev.kind == ATTACH_OUT ? 1 : 2;
	ret->bytes = ev.data;
	ret->size = ev.size;
	return 0;
}

int volt_attach_write(struct volt_attach *a, const void *bytes, size_t size,
		      struct volt_error *e)
{
	int r = size ? attach_write(a->a, bytes, size) : attach_write_eof(a->a);

	return r < 0 && r != -EAGAIN ? fail_code(e, r, "send to the machine") : r;
}

int volt_attach_resize(struct volt_attach *a, unsigned int rows, unsigned int columns,
		       struct volt_error *e)
{
	int r = attach_resize(a->a, rows, columns);

	return r < 0 ? fail_code(e, r, "resize the machine's terminal") : 0;
}

void volt_attach_free(struct volt_attach *a)
{
	if (!a)
		return;
	attach_close(a->a);
	free(a);
}
