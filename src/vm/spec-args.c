/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wish as the arguments of `volt run`: the inverse of what the program makes of them
 * (src/cli/wish.c), so that a unit of systemd or a person can say it again. Values are given
 * in full (an address with every port, bytes for sizes), so that no default that changes
 * changes the machine; what was not wished for is left out.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "vm/signals.h"
#include "vm/spec.h"

#define IMPOSSIBLE "no arguments of volt run say that: "

static int add(struct strv *a, const char *option, const char *value)
{
	int r = strv_add(a, option);

	return r ?: strv_add(a, value);
}

static int add_text(struct strv *a, const char *option, const char *value)
{
	return value ? add(a, option, value) : 0;
}

static int add_number(struct strv *a, const char *option, uint64_t value)
{
	int r = strv_add(a, option);

	return r ?: strv_addf(a, "%" PRIu64, value);
}

static int add_flag(struct strv *a, const char *option, bool on)
{
	return on ? strv_add(a, option) : 0;
}

static int add_each(struct strv *a, const char *option, const struct strv *values)
{
	int r = 0;

	strv_foreach(v, values->v)
		r = r ?: add(a, option, *v);
	return r;
}

static int add_port(struct strv *a, const struct port *p)
{
	bool v6 = strchr(p->host_ip, ':') != NULL;
	char host[8] = "";
	int r = strv_add(a, "--publish");

	if (p->host_port)
		(void)snprintf(host, sizeof(host), "%u", p->host_port);
	return r
		       ?: strv_addf(a, "%s%s%s:%s:%u/%s", v6 ? "[" : "", p->host_ip,
				    v6 ? "]" : "", host, p->guest_port,
				    p->udp ? "udp" : "tcp");
}

static int add_volume(struct strv *a, const struct spec_volume *v, struct volt_error *e)
{
	if (strchr(v->source, ':') || strchr(v->target, ':'))
		return fail(e, ENOTSUP,
			    IMPOSSIBLE "there is a colon in volume '%s' or where it is "
				       "mounted, '%s'",
			    v->source, v->target);
	if (strv_add(a, "--volume") < 0 || strv_addf(a, "%s:%s:%s", v->source, v->target,
						     v->read_only ? "ro" : "rw") < 0)
		return fail_oom(e);
	return 0;
}

static int add_tmpfs(struct strv *a, const struct spec_tmpfs *t, struct volt_error *e)
{
	const char *options = t->options ? t->options : "";

	if (strchr(t->target, ':'))
		return fail(e, ENOTSUP, IMPOSSIBLE "there is a colon in tmpfs '%s'",
			    t->target);
	if (strv_add(a, "--tmpfs") < 0 ||
	    strv_addf(a, "%s%s%s", t->target, *options ? ":" : "", options) < 0)
		return fail_oom(e);
	return 0;
}

static int add_mounts(struct strv *a, const struct spec *s, struct volt_error *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_volumes; i++)
		r = add_volume(a, &s->volumes[i], e);
	for (size_t i = 0; r == 0 && i < s->n_tmpfs; i++)
		r = add_tmpfs(a, &s->tmpfs[i], e);
	return r;
}

/* As a JSON array: no program's name is taken for one, and an empty one can be said. */
static int add_entrypoint(struct strv *a, const struct spec *s)
{
	json_auto_t *list = json_array();
	_cleanup_free_ char *text = NULL;

	if (!s->has_entrypoint)
		return 0;
	strv_foreach(w, s->entrypoint.v)
		if (json_array_append_new(list, json_string(*w)) < 0)
			return -ENOMEM;
	text = list ? json_dumps(list, JSON_COMPACT) : NULL;
	return text ? add(a, "--entrypoint", text) : -ENOMEM;
}

static int add_restart(struct strv *a, const struct spec *s)
{
	int r = s->restart == RESTART_NO ? 0 : strv_add(a, "--restart");

	if (s->restart == RESTART_NO || r < 0)
		return r;
	return s->max_retries ? strv_addf(a, "%s:%u", spec_restart_text(s->restart),
					  s->max_retries)
			      : strv_add(a, spec_restart_text(s->restart));
}

static int add_log(struct strv *a, const struct spec *s)
{
	int r = strv_add(a, "--log-opt");

	r = r ?: strv_addf(a, "max-size=%" PRIu64, s->log_max_size);
	r = r ?: strv_add(a, "--log-opt");
	return r ?: strv_addf(a, "max-file=%u", s->log_max_files);
}

/* What is not empty by accident, and yet no argument. */
static int check(const struct spec *s, struct volt_error *e)
{
	if (s->has_cmd && s->cmd.n == 0 && !s->has_entrypoint)
		return fail(e, ENOTSUP, IMPOSSIBLE "its command is wished to be empty");
	if (s->user && !*s->user)
		return fail(e, ENOTSUP, IMPOSSIBLE "its user is wished to be empty");
	if (s->lock)
		return fail(e, ENOTSUP, IMPOSSIBLE "it has a lock");
	return 0;
}

/* The format, too: what it was seen to be once it stays. */
static int add_disk(struct strv *a, const struct spec *s)
{
	int r;

	if (s->guest != GUEST_DISK)
		return 0;
	r = add(a, "--guest", spec_guest_text(s->guest));
	if (s->disk.format != DISK_UNKNOWN)
		r = r ?: add(a, "--disk-format", disk_format_text(s->disk.format));
	if (s->disk.generic)
		r = r ?: add(a, "--hardware", "generic");
	return r ?: add_flag(a, "--no-tpm", s->disk.no_tpm);
}

/* A value as `--nanos` takes it: text as it is, unless it would be read as JSON. */
static int add_attribute(struct strv *a, const char *key, const json_t *v,
			 struct volt_error *e)
{
	const char *text = json_string_value(v);
	_cleanup_free_ char *json = NULL;

	if (strpbrk(key, ".=") || (text && (*text == '{' || *text == '[')))
		return fail(e, ENOTSUP,
			    IMPOSSIBLE "Nanos attribute '%.100s' has a name or a value "
				       "that --nanos would take for something else",
			    key);
	if (json_is_boolean(v) && !json_is_true(v))
		return 0; /* as if it were not there */
	if (!text && !json_is_true(v)) {
		json = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		text = json;
		if (!json)
			return fail_oom(e);
	}
	if (strv_add(a, "--nanos") < 0 ||
	    strv_addf(a, "%s%s%s", key, text ? "=" : "", text ? text : "") < 0)
		return fail_oom(e);
	return 0;
}

static int add_attributes(struct strv *a, const struct spec *s, struct volt_error *e)
{
	const char *key;
	json_t *v;

	json_object_foreach(s->nanos.attributes, key, v) {
		int r = add_attribute(a, key, v, e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int add_nanos(struct strv *a, const struct spec *s)
{
	int r;

	if (s->guest != GUEST_NANOS)
		return 0;
	r = add(a, "--guest", spec_guest_text(s->guest));
	if (s->nanos.boot != BOOT_DIRECT)
		r = r ?: add(a, "--boot", spec_boot_text(s->nanos.boot));
	r = r ?: add_flag(a, "--full", s->nanos.full);
	return r ?: add_each(a, "--klib", &s->nanos.klibs);
}

static int add_hardware(struct strv *a, const struct spec *s)
{
	int r = add_text(a, "--arch", s->arch);

	if (s->accel != ACCEL_AUTO)
		r = r ?: add(a, "--accel", spec_accel_text(s->accel));
	r = r ?: add_text(a, "--kernel", s->kernel);
	r = r ?: add_number(a, "--cpus", s->cpus);
	r = r ?: add_number(a, "--memory", s->memory);
	if (s->network != NET_USER)
		r = r ?: add(a, "--network", "none");
	for (size_t i = 0; i < s->ports.n; i++)
		r = r ?: add_port(a, &s->ports.v[i]);
	return r;
}

static int add_process(struct strv *a, const struct spec *s)
{
	int r = add_entrypoint(a, s);

	r = r ?: add_each(a, "--env", &s->env);
	r = r ?: add_text(a, "--hostname", s->hostname);
	r = r ?: add_text(a, "--user", s->user);
	r = r ?: add_text(a, "--workdir", s->workdir);
	r = r ?: add_flag(a, "--interactive", s->open_stdin);
	return r ?: add_flag(a, "--tty", s->tty);
}

static int add_life(struct strv *a, const struct spec *s)
{
	int r = add_flag(a, "--read-only", s->read_only);

	r = r ?: add_flag(a, "--rm", s->rm);
	r = r ?: add_restart(a, s);
	if (s->stop_signal)
		r = r ?: add(a, "--stop-signal", signal_name(s->stop_signal));
	r = r ?: add_number(a, "--stop-timeout", s->stop_timeout);
	r = r ?: add_each(a, "--label", &s->labels);
	return r ?: add_log(a, s);
}

int spec_args(const struct spec *s, struct strv *ret, struct volt_error *e)
{
	int r = check(s, e);

	if (r < 0)
		return r;
	r = add_text(ret, "--name", s->name);
	r = r ?: add_disk(ret, s);
	r = r ?: add_nanos(ret, s);
	r = r ?: add_hardware(ret, s);
	r = r ?: add_process(ret, s);
	r = r ?: add_life(ret, s);
	if (r < 0)
		return fail_oom(e);
	r = add_attributes(ret, s, e);
	if (r == 0)
		r = add_mounts(ret, s, e);
	if (r < 0)
		return r;
	r = strv_add(ret, s->guest == GUEST_DISK ? s->disk.path : s->image.ref);
	strv_foreach(w, s->cmd.v)
		r = r ?: strv_add(ret, *w);
	return r < 0 ? fail_oom(e) : 0;
}
