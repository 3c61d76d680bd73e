/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one machine in another's place
 *
 * They have one name, and often the same ports, so the old one has to go before the new one
 * can be made. What can be known of the new one is looked at while the old one still runs:
 * who made a slip has what there was.
 */

#include <errno.h>

#include "base/error.h"
#include "lib/internal.h"
#include "net/bind.h"
#include "vm/prepare.h"
#include "vm/shares.h"

int find_named(struct volt_ctx *ctx, const char *name, struct machine **ret)
{
	_cleanup_(machine_closep) struct machine *m = NULL;
	const struct spec *s;
	int r = machine_open(ctx_env(ctx), name, &m, NULL);

	if (r < 0 || (r = machine_spec(m, &s, NULL)) < 0)
		return r;
	if (strcmp(s->name, name) != 0)
		return -ENOENT;
	*ret = TAKE_PTR(m);
	return 0;
}

/* Whether @p is, or may be, in use by the machine with that state: it goes with it. */
static bool has_port(const struct state *st, const struct port *p)
{
	for (size_t i = 0; i < st->ports.n; i++)
		if (st->ports.v[i].udp == p->udp &&
		    st->ports.v[i].host_port == p->host_port)
			return true;
	return false;
}

static int check_ports(const struct spec *s, struct machine *old, struct volt_error *e)
{
	struct ports others = { 0 };
	struct state st = { 0 };
	int r = machine_state(old, &st, e);

	/* One that died and removes itself has just been removed: it has no ports. */
	if (r == -EIDRM)
		r = 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->ports.n && r == 0; i++)
		if (!status_is_up(st.status) || !has_port(&st, &s->ports.v[i]))
			r = ports_add(&others, &s->ports.v[i], e);
	if (r == 0)
		r = ports_check_free(&others, e);
	ports_done(&others);
	state_done(&st);
	return r;
}

static int check(struct volt_ctx *ctx, const struct spec *s, const json_t *options,
		 struct machine *old, struct volt_error *e)
{
	bool start = false, lock = false;
	int r;

	if ((r = json_get_bool(options, "start", &start, e)) < 0 ||
	    (r = json_get_bool(options, "lock", &lock, e)) < 0 || (!start && !lock))
		return r;
	r = ctx_start_env(ctx, s->guest == GUEST_LINUX ? s->arch : NULL, e);
	if (r == 0)
		r = prepare_check(ctx_env(ctx), s, e);
	if (r == 0 && start)
		r = shares_check(s, e);
	return r == 0 && start ? check_ports(s, old, e) : r;
}

int replace_named(struct volt_ctx *ctx, const struct spec *s, const json_t *options,
		  struct volt_error *e)
{
	_cleanup_(machine_closep) struct machine *old = NULL;
	bool replace = false;
	int r;

	r = json_get_bool(options, "replace", &replace, e);
	if (r < 0 || !replace || !s->name || find_named(ctx, s->name, &old) < 0)
		return r;
	r = check(ctx, s, options, old, e);
	return r < 0 ? r : machine_remove(old, true, e);
}
