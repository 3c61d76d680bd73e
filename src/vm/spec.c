/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/spec.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/path.h"
#include "image/platform.h"
#include "vm/internal.h"
#include "vm/pins.h"
#include "vm/qemu.h"
#include "vm/spec-member.h"

#define SPEC_VERSION 1
#define MEMORY_MIN   (32ull << 20)
#define MEMORY_MAX   (16ull << 40)
#define LIST_MAX     1024 /* volumes, tmpfs, labels */

static const char *const restart_texts[] = {
	[RESTART_NO] = "no",
	[RESTART_ON_FAILURE] = "on-failure",
	[RESTART_ALWAYS] = "always",
	[RESTART_UNLESS_STOPPED] = "unless-stopped",
};
static const char *const accel_texts[] = {
	[ACCEL_AUTO] = "auto",
	[ACCEL_KVM] = "kvm",
	[ACCEL_TCG] = "tcg",
};
static const char *const guest_texts[] = {
	[GUEST_LINUX] = "linux",
	[GUEST_DISK] = "disk",
	[GUEST_NANOS] = "nanos",
};
static const char *const net_texts[] = { [NET_USER] = "user", [NET_NONE] = "none" };

const char *spec_restart_text(enum restart_policy p)
{
	return restart_texts[p];
}

const char *spec_accel_text(enum accel a)
{
	return accel_texts[a];
}

const char *spec_guest_text(enum guest_kind g)
{
	return guest_texts[g];
}

void spec_free(struct spec *s)
{
	if (!s)
		return;
	free(s->name);
	free(s->image.ref);
	free(s->image.name);
	free(s->disk.path);
	strv_done(&s->nanos.klibs);
	json_decref(s->nanos.attributes);
	free(s->arch);
	free(s->kernel);
	json_decref(s->lock);
	strv_done(&s->entrypoint);
	strv_done(&s->cmd);
	strv_done(&s->env);
	free(s->workdir);
	free(s->user);
	free(s->hostname);
	strv_done(&s->process.args);
	strv_done(&s->process.env);
	free(s->process.cwd);
	free(s->process.user);
	ports_done(&s->ports);
	for (size_t i = 0; i < s->n_volumes; i++) {
		free(s->volumes[i].source);
		free(s->volumes[i].target);
	}
	free(s->volumes);
	for (size_t i = 0; i < s->n_tmpfs; i++) {
		free(s->tmpfs[i].target);
		free(s->tmpfs[i].options);
	}
	free(s->tmpfs);
	strv_done(&s->labels);
	free(s);
}

/* --- checks --- */

/* Absolute, without "." or "..", not the root; what a mount point in the guest must be. */
static bool target_is_valid(const char *path)
{
	return path[0] == '/' && path_is_clean(path + 1);
}

static bool has_control(const char *s)
{
	for (; *s; s++)
		if (iscntrl((unsigned char)*s))
			return true;
	return false;
}

static bool hostname_is_valid(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > 64 || s[0] == '-' || s[0] == '.' || s[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '.' &&
		    s[i] != '_')
			return false;
	return true;
}

/* What mount(8) takes for a tmpfs: words, sizes, modes. */
static bool tmpfs_options_are_valid(const char *s)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=,%._-";

	return strlen(s) < 1024 && s[strspn(s, allowed)] == '\0';
}

/* --- parts --- */

static int parse_image(const json_t *j, enum spec_form form, struct spec_image *ret,
		       struct volt_error *e)
{
	static const char *const known[] = { "ref",    "name", "digest",
					     "config", "tree", NULL };
	bool whole = form == SPEC_STORED;
	json_t *image = NULL;

	TRY(json_get_object(j, "image", &image, e));
	if (!image)
		return fail(e, EINVAL, "the spec has no image");
	TRY(json_only(image, "image", known, e));
	TRY(spec_get_text(image, "ref", &ret->ref, e));
	TRY(spec_get_text(image, "name", &ret->name, e));
	TRY(spec_get_digest(image, "digest", whole, &ret->digest, e));
	TRY(spec_get_digest(image, "config", whole, &ret->config, e));
	TRY(spec_get_digest(image, "tree", whole, &ret->tree, e));
	if (!ret->ref || !*ret->ref)
		return fail(e, EINVAL, "image has no 'ref'");
	if (whole && !ret->name)
		return fail(e, EINVAL, "image has no 'name'");
	return 0;
}

static int parse_identity(const json_t *j, enum spec_form form, struct spec *s,
			  struct volt_error *e)
{
	const char *id = NULL, *created = NULL;
	struct digest d;

	TRY(spec_get_text(j, "name", &s->name, e));
	if (s->name && !name_is_valid(s->name))
		return fail(e, EINVAL,
			    "name '%s' must match [a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}",
			    s->name);
	if (s->name && form == SPEC_WISH && digest_parse(s->name, &d) == 0)
		return fail(e, EINVAL,
			    "name '%s' looks like a machine's id: choose another",
			    s->name);
	TRY(json_get_string(j, "id", &id, e));
	TRY(json_get_string(j, "created_at", &created, e));
	if (form == SPEC_WISH)
		return id || created ? fail(e, EINVAL,
					    "a new machine's spec must not "
					    "have 'id' or 'created_at'")
				     : 0;
	if (!id || digest_parse(id, &d) < 0)
		return fail(e, EINVAL, "'id' must be 64 hexadecimal digits");
	memcpy(s->id, id, sizeof(s->id));
	if (!created || clock_parse(created, &s->created_at) < 0)
		return fail(e, EINVAL, "'created_at' must be a time as in RFC 3339");
	return s->name ? 0 : fail(e, EINVAL, "the spec has no name");
}

static int parse_command(const json_t *j, struct spec *s, struct volt_error *e)
{
	TRY(spec_get_strings(j, "entrypoint", &s->entrypoint, &s->has_entrypoint, e));
	TRY(spec_get_strings(j, "cmd", &s->cmd, &s->has_cmd, e));
	TRY(spec_get_env(j, "env", &s->env, e));
	TRY(spec_get_text(j, "workdir", &s->workdir, e));
	TRY(spec_get_text(j, "user", &s->user, e));
	TRY(spec_get_text(j, "hostname", &s->hostname, e));
	TRY(json_get_bool(j, "tty", &s->tty, e));
	TRY(json_get_bool(j, "stdin", &s->open_stdin, e));
	if (s->workdir && s->workdir[0] != '/')
		return fail(e, EINVAL, "working directory '%s' must be absolute",
			    s->workdir);
	if (s->user && (has_control(s->user) || strlen(s->user) > 256))
		return fail(e, EINVAL, "user '%.256s' is not valid", s->user);
	if (s->hostname && !hostname_is_valid(s->hostname))
		return fail(e, EINVAL, "host name '%.100s' is not valid", s->hostname);
	return 0;
}

static int check_process(struct spec_process *p, struct volt_error *e)
{
	if (p->args.n == 0 || !*p->args.v[0])
		return fail(e, EINVAL,
			    "there is no command to run: neither the image "
			    "nor the command line names one");
	if (!p->cwd || p->cwd[0] != '/')
		return fail(e, EINVAL, "the process' 'cwd' must be absolute");
	if (!p->user && !(p->user = strdup("")))
		return fail_oom(e);
	if (has_control(p->user))
		return fail(e, EINVAL, "the process' 'user' is not valid");
	return p->stop_signal ? 0 : fail(e, EINVAL, "the process has no 'stop_signal'");
}

static int parse_process(const json_t *j, enum spec_form form, struct spec *s,
			 struct volt_error *e)
{
	static const char *const known[] = { "args", "env",         "cwd",
					     "user", "stop_signal", NULL };
	struct spec_process *p = &s->process;
	json_t *o = NULL;

	TRY(json_get_object(j, "process", &o, e));
	if (form == SPEC_WISH)
		return o ? fail(e, EINVAL, "a new machine's spec must not have 'process'")
			 : 0;
	if (!o)
		return fail(e, EINVAL, "the spec has no 'process'");
	TRY(json_only(o, "process", known, e));
	TRY(spec_get_strings(o, "args", &p->args, NULL, e));
	TRY(spec_get_env(o, "env", &p->env, e));
	TRY(spec_get_text(o, "cwd", &p->cwd, e));
	TRY(spec_get_text(o, "user", &p->user, e));
	TRY(spec_get_signal(o, &p->stop_signal, e));
	return check_process(p, e);
}

static int parse_port(const json_t *j, struct ports *ports, struct volt_error *e)
{
	static const char *const known[] = { "host_ip", "host_port", "guest_port",
					     "protocol", NULL };
	static const char *const protocols[] = { "tcp", "udp" };
	struct port p = { .host_ip = "127.0.0.1" };
	int64_t host = 0, guest = 0;
	unsigned int protocol = 0;
	const char *ip = NULL;

	if (json_is_string(j))
		return port_parse(json_string_value(j), ports, e);
	TRY(json_only(j, "port", known, e));
	TRY(json_get_string(j, "host_ip", &ip, e));
	TRY(json_get_int(j, "host_port", 0, UINT16_MAX, &host, e));
	TRY(json_get_int(j, "guest_port", 1, UINT16_MAX, &guest, e));
	TRY(spec_get_choice(j, "protocol", protocols, 2, &protocol, e));
	if (ip && port_ip_parse(ip, p.host_ip) < 0)
		return fail(e, EINVAL, "'%s' is not an IP address", ip);
	if (!guest)
		return fail(e, EINVAL, "a port has no 'guest_port'");
	p.host_port = (uint16_t)host;
	p.guest_port = (uint16_t)guest;
	p.udp = protocol == 1;
	return ports_add(ports, &p, e);
}

int ports_from_json(const json_t *list, struct ports *p, struct volt_error *e)
{
	json_t *item;
	size_t i;

	json_array_foreach((json_t *)list, i, item)
		TRY(parse_port(item, p, e));
	return 0;
}

static int parse_network(const json_t *j, struct spec *s, struct volt_error *e)
{
	static const char *const known[] = { "mode", NULL };
	json_t *net = NULL, *list = NULL;
	unsigned int mode = NET_USER;

	TRY(json_get_object(j, "network", &net, e));
	if (net) {
		TRY(json_only(net, "network", known, e));
		TRY(spec_get_choice(net, "mode", net_texts, ARRAY_SIZE(net_texts), &mode,
				    e));
	}
	s->network = (enum net_mode)mode;
	TRY(json_get_array(j, "ports", &list, e));
	TRY(ports_from_json(list, &s->ports, e));
	if (s->network == NET_NONE && s->ports.n)
		return fail(e, EINVAL, "ports cannot be published without a network");
	return 0;
}

static int check_target(const struct spec *s, const char *target, struct volt_error *e)
{
	if (!target || !target_is_valid(target))
		return fail(
			e, EINVAL,
			"mount point '%.200s' must be absolute, without '..', and not /",
			target ? target : "");
	for (size_t i = 0; i < s->n_volumes; i++)
		if (s->volumes[i].target && s->volumes[i].target != target &&
		    strcmp(s->volumes[i].target, target) == 0)
			return fail(e, EINVAL, "'%s' is mounted on twice", target);
	for (size_t i = 0; i < s->n_tmpfs; i++)
		if (s->tmpfs[i].target && s->tmpfs[i].target != target &&
		    strcmp(s->tmpfs[i].target, target) == 0)
			return fail(e, EINVAL, "'%s' is mounted on twice", target);
	return 0;
}

static int parse_volumes(const json_t *j, struct spec *s, struct volt_error *e)
{
	json_t *list = NULL, *item;
	size_t i;

	TRY(json_get_array(j, "volumes", &list, e));
	if (json_array_size(list) > LIST_MAX)
		return fail(e, EINVAL, "more than %d volumes", LIST_MAX);
	s->volumes = calloc(json_array_size(list) + 1, sizeof(*s->volumes));
	if (!s->volumes)
		return fail_oom(e);
	json_array_foreach(list, i, item) {
		struct spec_volume *v = &s->volumes[s->n_volumes++];

		TRY(spec_volume_parse(item, v, e));
		TRY(check_target(s, v->target, e));
	}
	return spec_volumes_check(s, e);
}

static int parse_tmpfs(const json_t *j, struct spec *s, struct volt_error *e)
{
	static const char *const known[] = { "target", "options", NULL };
	json_t *list = NULL, *item;
	size_t i;

	TRY(json_get_array(j, "tmpfs", &list, e));
	if (json_array_size(list) > LIST_MAX)
		return fail(e, EINVAL, "more than %d tmpfs mounts", LIST_MAX);
	s->tmpfs = calloc(json_array_size(list) + 1, sizeof(*s->tmpfs));
	if (!s->tmpfs)
		return fail_oom(e);
	json_array_foreach(list, i, item) {
		struct spec_tmpfs *t = &s->tmpfs[s->n_tmpfs++];

		TRY(json_only(item, "tmpfs", known, e));
		TRY(spec_get_text(item, "target", &t->target, e));
		TRY(spec_get_text(item, "options", &t->options, e));
		if (t->options && !tmpfs_options_are_valid(t->options))
			return fail(e, EINVAL, "tmpfs options '%.200s' are not valid",
				    t->options);
		TRY(check_target(s, t->target, e));
	}
	return 0;
}

static int parse_life(const json_t *j, struct spec *s, struct volt_error *e)
{
	static const char *const known[] = { "policy", "max_retries", NULL };
	unsigned int policy = RESTART_NO;
	json_t *o = NULL;

	TRY(json_get_bool(j, "rm", &s->rm, e));
	TRY(json_get_bool(j, "read_only", &s->read_only, e));
	TRY(json_get_object(j, "restart", &o, e));
	if (o) {
		TRY(json_only(o, "restart", known, e));
		TRY(spec_get_choice(o, "policy", restart_texts, ARRAY_SIZE(restart_texts),
				    &policy, e));
		TRY(spec_get_uint(o, "max_retries", 1000000, &s->max_retries, e));
	}
	s->restart = (enum restart_policy)policy;
	if (s->max_retries && s->restart != RESTART_ON_FAILURE)
		return fail(e, EINVAL,
			    "'max_retries' goes with the policy on-failure only");
	if (s->rm && s->restart != RESTART_NO)
		return fail(e, EINVAL,
			    "a machine that is removed when it ends cannot be restarted");
	TRY(spec_get_signal(j, &s->stop_signal, e));
	return spec_get_uint(j, "stop_timeout", 86400 * 365, &s->stop_timeout, e);
}

static int label_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int labels_from_json(const json_t *o, struct strv *labels, struct volt_error *e)
{
	const char *key;
	json_t *value;

	if (json_object_size(o) > LIST_MAX)
		return fail(e, EINVAL, "more than %d labels", LIST_MAX);
	json_object_foreach((json_t *)o, key, value) {
		if (!json_is_string(value) || !*key || strchr(key, '='))
			return fail(e, EINVAL, "label '%.100s' must be KEY=VALUE", key);
		if (strlen(key) + json_string_length(value) > SPEC_STRING_MAX)
			return fail(e, EINVAL, "label '%.100s' is too long", key);
		if (strv_addf(labels, "%s=%s", key, json_string_value(value)) < 0)
			return fail_oom(e);
	}
	if (labels->n)
		qsort(labels->v, labels->n, sizeof(char *), label_compare);
	return 0;
}

static int parse_labels(const json_t *j, struct spec *s, struct volt_error *e)
{
	json_t *o = NULL;

	TRY(json_get_object(j, "labels", &o, e));
	return labels_from_json(o, &s->labels, e);
}

static int parse_log(const json_t *j, struct spec *s, struct volt_error *e)
{
	static const char *const known[] = { "max_size", "max_files", NULL };
	int64_t max_size = (int64_t)s->log_max_size, max_files = s->log_max_files;
	json_t *o = NULL;

	TRY(json_get_object(j, "log", &o, e));
	if (!o)
		return 0;
	TRY(json_only(o, "log", known, e));
	TRY(json_get_int(o, "max_size", 4096, INT64_MAX, &max_size, e));
	TRY(json_get_int(o, "max_files", 1, 1000, &max_files, e));
	s->log_max_size = (uint64_t)max_size;
	s->log_max_files = (unsigned int)max_files;
	return 0;
}

/* In any spelling; kept is volt's word. */
static int get_arch(const json_t *j, char **ret, struct volt_error *e)
{
	const struct platform *p;
	const char *word = NULL;

	TRY(json_get_string(j, "arch", &word, e));
	if (!word)
		return 0;
	p = platform_find(word);
	if (!p)
		return fail(e, EINVAL, "architecture '%s' is not known", word);
	TRY(qemu_check_arch(p->arch, e));
	*ret = strdup(p->arch);
	return *ret ? 0 : fail_oom(e);
}

static int parse_hardware(const json_t *j, struct spec *s, struct volt_error *e)
{
	unsigned int accel = ACCEL_AUTO;
	int64_t memory = (int64_t)s->memory, cpus = s->cpus;

	TRY(spec_get_choice(j, "accel", accel_texts, ARRAY_SIZE(accel_texts), &accel, e));
	TRY(get_arch(j, &s->arch, e));
	TRY(spec_get_text(j, "kernel", &s->kernel, e));
	TRY(json_get_int(j, "memory", 0, MEMORY_MAX, &memory, e));
	TRY(json_get_int(j, "cpus", 1, 256, &cpus, e));
	if (s->kernel && !name_is_valid(s->kernel))
		return fail(e, EINVAL, "kernel '%s' is not a valid name", s->kernel);
	if ((uint64_t)memory < MEMORY_MIN)
		return fail(e, EINVAL,
			    "memory of %" PRId64 " bytes is too little: a machine needs "
			    "at least %llu MiB",
			    memory, MEMORY_MIN >> 20);
	s->accel = (enum accel)accel;
	s->memory = (uint64_t)memory;
	s->cpus = (unsigned int)cpus;
	return 0;
}

/* What boots, and the defaults that depend on it. */
static int parse_guest(const json_t *j, enum spec_form form, struct spec *s,
		       struct volt_error *e)
{
	unsigned int guest = GUEST_LINUX;

	TRY(spec_get_choice(j, "guest", guest_texts, ARRAY_SIZE(guest_texts), &guest, e));
	s->guest = (enum guest_kind)guest;
	TRY(nanos_from_json(j, s, e));
	if (s->guest == GUEST_DISK)
		return disk_from_json(j, form, s, e);
	TRY(disk_is_absent(j, e));
	return parse_image(j, form, &s->image, e);
}

static int parse_lock(const json_t *j, struct spec *s, struct volt_error *e)
{
	json_t *lock = NULL;

	TRY(json_get_object(j, "lock", &lock, e));
	if (!lock)
		return 0;
	if (s->guest == GUEST_DISK)
		return fail(e, EINVAL, "a disk has no lock: it changes as it is used");
	TRY(lock_check(lock, e));
	s->lock = json_deep_copy(lock);
	if (!s->kernel && lock_kernel(lock))
		s->kernel = strdup(lock_kernel(lock));
	return s->lock && s->kernel ? 0 : fail_oom(e);
}

static int check_members(const json_t *j, struct volt_error *e)
{
	static const char *const known[] = {
		"version", "id",          "name",         "created_at", "image",
		"guest",   "arch",        "accel",        "kernel",     "entrypoint",
		"cmd",     "env",         "workdir",      "user",       "hostname",
		"tty",     "stdin",       "memory",       "cpus",       "network",
		"ports",   "volumes",     "tmpfs",        "read_only",  "rm",
		"restart", "stop_signal", "stop_timeout", "labels",     "log",
		"process", "disk",        "lock",         "nanos",      NULL
	};
	int64_t version = SPEC_VERSION;

	if (!json_is_object(j))
		return fail(e, EINVAL, "a spec must be an object");
	TRY(json_get_int(j, "version", 0, INT64_MAX, &version, e));
	if (version != SPEC_VERSION)
		return fail(e, EINVAL,
			    "version %" PRId64 " of the spec is not supported, only %d",
			    version, SPEC_VERSION);
	return json_only(j, "the spec", known, e);
}

static int parse_all(const json_t *j, enum spec_form form, struct spec *s,
		     struct volt_error *e)
{
	/* Those that are the same in a wish and on disk. */
	static int (*const parts[])(const json_t *, struct spec *,
				    struct volt_error *) = {
		parse_hardware, parse_command, parse_network, parse_volumes, parse_tmpfs,
		parse_life,     parse_labels,  parse_log,     parse_lock,
	};

	TRY(check_members(j, e));
	TRY(parse_identity(j, form, s, e));
	TRY(parse_guest(j, form, s, e));
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		TRY(parts[i](j, s, e));
	if (s->guest == GUEST_DISK)
		return disk_check(s, e);
	if (s->guest == GUEST_NANOS)
		TRY(nanos_spec_check(s, e));
	return parse_process(j, form, s, e);
}

int spec_parse(const json_t *j, enum spec_form form, struct spec **ret,
	       struct volt_error *e)
{
	_cleanup_(spec_freep) struct spec *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return fail_oom(e);
	s->memory = 256ull << 20;
	s->cpus = 1;
	s->stop_timeout = 10;
	s->log_max_size = 10ull << 20;
	s->log_max_files = 3;
	r = parse_all(j, form, s, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}
