/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "vm/internal.h"
#include "vm/signals.h"
#include "vm/spec.h"

/* jansson's "steal" functions free the value also when they fail, and treat NULL as a
 * failure, so a document is built in one expression a part and checked once. */
static int put(json_t *o, const char *key, json_t *value)
{
	return json_object_set_new(o, key, value);
}

static json_t *text_or_null(const char *s)
{
	return s ? json_string(s) : json_null();
}

static json_t *strings(const struct strv *list)
{
	json_t *a = json_array();
	int bad = 0;

	strv_foreach(s, list->v)
		bad |= json_array_append_new(a, json_string(*s));
	if (bad) {
		json_decref(a);
		return NULL;
	}
	return a;
}

static json_t *digest_json(const struct digest *d)
{
	static const struct digest none;
	char text[DIGEST_OCI_SIZE];

	return digest_equal(d, &none) ? json_null() : json_string(digest_oci(d, text));
}

static json_t *image_json(const struct spec_image *i)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "ref", i->ref, "name",
			 text_or_null(i->name), "digest", digest_json(&i->digest),
			 "config", digest_json(&i->config), "tree",
			 digest_json(&i->tree));
}

static json_t *process_json(const struct spec_process *p)
{
	return json_pack("{s:o, s:o, s:s, s:s, s:s}", "args", strings(&p->args), "env",
			 strings(&p->env), "cwd", p->cwd, "user", p->user, "stop_signal",
			 signal_name(p->stop_signal));
}

json_t *ports_to_json(const struct ports *p)
{
	json_t *a = json_array();

	for (size_t i = 0; i < p->n; i++) {
		const struct port *q = &p->v[i];
		json_t *o = json_pack("{s:s, s:i, s:i, s:s}", "host_ip", q->host_ip,
				      "host_port", q->host_port, "guest_port",
				      q->guest_port, "protocol", q->udp ? "udp" : "tcp");

		if (json_array_append_new(a, o) < 0) {
			json_decref(a);
			return NULL;
		}
	}
	return a;
}

static json_t *volumes_json(const struct spec *s)
{
	json_t *a = json_array();

	for (size_t i = 0; i < s->n_volumes; i++) {
		if (json_array_append_new(a, spec_volume_json(&s->volumes[i])) < 0) {
			json_decref(a);
			return NULL;
		}
	}
	return a;
}

static json_t *tmpfs_json(const struct spec *s)
{
	json_t *a = json_array();

	for (size_t i = 0; i < s->n_tmpfs; i++) {
		json_t *o = json_pack("{s:s, s:o}", "target", s->tmpfs[i].target,
				      "options", text_or_null(s->tmpfs[i].options));

		if (json_array_append_new(a, o) < 0) {
			json_decref(a);
			return NULL;
		}
	}
	return a;
}

json_t *labels_to_json(const struct strv *labels)
{
	json_t *o = json_object();

	strv_foreach(l, labels->v) {
		const char *equals = strchr(*l, '=');

		if (json_object_setn_new(o, *l, (size_t)(equals - *l),
					 json_string(equals + 1)) < 0) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

static int put_identity(json_t *j, const struct spec *s)
{
	char created[CLOCK_TEXT_SIZE];
	int bad = put(j, "version", json_integer(1));

	if (s->id[0]) {
		bad |= put(j, "id", json_string(s->id));
		bad |= put(j, "created_at",
			   json_string(clock_text(s->created_at, created)));
	}
	if (s->name)
		bad |= put(j, "name", json_string(s->name));
	if (s->guest == GUEST_DISK)
		return bad | put(j, "disk", disk_to_json(&s->disk));
	if (s->guest == GUEST_NANOS)
		bad |= put(j, "nanos", nanos_to_json(&s->nanos));
	return bad | put(j, "image", image_json(&s->image));
}

static int put_command(json_t *j, const struct spec *s)
{
	int bad = 0;

	bad |= put(j, "entrypoint",
		   s->has_entrypoint ? strings(&s->entrypoint) : json_null());
	bad |= put(j, "cmd", s->has_cmd ? strings(&s->cmd) : json_null());
	bad |= put(j, "env", strings(&s->env));
	bad |= put(j, "workdir", text_or_null(s->workdir));
	bad |= put(j, "user", text_or_null(s->user));
	bad |= put(j, "hostname", text_or_null(s->hostname));
	bad |= put(j, "tty", json_boolean(s->tty));
	bad |= put(j, "stdin", json_boolean(s->open_stdin));
	if (s->process.args.n)
		bad |= put(j, "process", process_json(&s->process));
	return bad;
}

static int put_hardware(json_t *j, const struct spec *s)
{
	int bad = 0;

	bad |= put(j, "guest", json_string(spec_guest_text(s->guest)));
	bad |= put(j, "arch", text_or_null(s->arch));
	bad |= put(j, "accel", json_string(spec_accel_text(s->accel)));
	bad |= put(j, "kernel", text_or_null(s->kernel));
	bad |= put(j, "memory", json_integer((json_int_t)s->memory));
	bad |= put(j, "cpus", json_integer(s->cpus));
	bad |= put(j, "network",
		   json_pack("{s:s}", "mode", s->network == NET_USER ? "user" : "none"));
	bad |= put(j, "ports", ports_to_json(&s->ports));
	bad |= put(j, "volumes", volumes_json(s));
	return bad | put(j, "tmpfs", tmpfs_json(s));
}

static int put_life(json_t *j, const struct spec *s)
{
	json_t *restart = json_pack("{s:s}", "policy", spec_restart_text(s->restart));
	int bad = 0;

	if (s->max_retries)
		bad |= put(restart, "max_retries", json_integer(s->max_retries));
	bad |= put(j, "restart", restart);
	bad |= put(j, "read_only", json_boolean(s->read_only));
	bad |= put(j, "rm", json_boolean(s->rm));
	bad |= put(j, "stop_signal",
		   text_or_null(s->stop_signal ? signal_name(s->stop_signal) : NULL));
	bad |= put(j, "stop_timeout", json_integer(s->stop_timeout));
	bad |= put(j, "labels", labels_to_json(&s->labels));
	if (s->lock)
		bad |= put(j, "lock", json_deep_copy(s->lock));
	return bad | put(j, "log",
			 json_pack("{s:I, s:i}", "max_size", (json_int_t)s->log_max_size,
				   "max_files", (int)s->log_max_files));
}

json_t *spec_to_json(const struct spec *s)
{
	json_t *j = json_object();

	if (put_identity(j, s) | put_command(j, s) | put_hardware(j, s) |
	    put_life(j, s)) {
		json_decref(j);
		return NULL;
	}
	return j;
}
