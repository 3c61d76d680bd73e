/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops' config.json as a wish. Its keys are matched as ops does, whatever their case. What ops
 * copies from the host into a disk (Files, Dirs, MapDirs) becomes read-only volumes, which are
 * copies made at each start.
 */

#include "cli/ops-config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/path.h"
#include "cli/wish-parse.h"

#define ROOM ((uint64_t)1 << 30) /* that every disk of volt has */

struct merge {
	json_t *spec, *nanos, *attributes;
	const char *parent; /* of relative names on the host */
	struct volt_error *e;
};

struct key {
	const char *name;
	int (*apply)(const struct merge *m, const struct key *k, json_t *v);
	const char *text; /* what it is called in the wish, or why it is refused */
};

static int wrong(const struct merge *m, const struct key *k, const char *what)
{
	return fail(m->e, EINVAL, "'%s' is not %s", k->name, what);
}

static int refuse(const struct merge *m, const struct key *k, json_t *v)
{
	return fail(m->e, ENOTSUP, "'%s' is not for volt: %s", k->name, k->text);
}

/* What volt does anyway. */
static int accept(const struct merge *m, const struct key *k, json_t *v)
{
	return json_is_true(v) ? 0 : wrong(m, k, "true or false");
}

/* What parent_of() has looked at. */
static int check_text(const struct merge *m, const struct key *k, json_t *v)
{
	return json_is_string(v) ? 0 : wrong(m, k, "a text");
}

/* Takes @v over; what is there already came from the command line. */
static int set_in(const struct merge *m, json_t *j, const char *key, json_t *v)
{
	if (json_object_get(j, key)) {
		json_decref(v);
		return 0;
	}
	return json_object_set_new(j, key, v) < 0 ? fail_oom(m->e) : 0;
}

/* The list @key of @j, made if it is not there; NULL: out of memory. */
static json_t *list_of(json_t *j, const char *key)
{
	json_t *list = json_object_get(j, key);

	if (list)
		return list;
	list = json_array();
	return json_object_set_new(j, key, list) < 0 ? NULL : list;
}

/* All texts of a list, each handed on. */
static int each_text(const struct merge *m, const struct key *k, json_t *v,
		     int (*fn)(const struct merge *m, const struct key *k,
			       const char *text))
{
	json_t *item;
	size_t i;
	int r = 0;

	if (!json_is_array(v))
		return wrong(m, k, "a list of texts");
	json_array_foreach(v, i, item) {
		if (!json_is_string(item))
			return wrong(m, k, "a list of texts");
		r = r ?: fn(m, k, json_string_value(item));
	}
	return r;
}

static int ignore(const struct merge *m, const struct key *k, const char *text)
{
	return 0;
}

static int apply_args(const struct merge *m, const struct key *k, json_t *v)
{
	int r = each_text(m, k, v, ignore);

	return r < 0 ? r : set_in(m, m->spec, "cmd", json_incref(v));
}

/* Before what the command line says, which then counts. */
static int apply_env(const struct merge *m, const struct key *k, json_t *v)
{
	json_t *list = list_of(m->spec, "env"), *value;
	const char *name;
	size_t at = 0;

	if (!json_is_object(v))
		return wrong(m, k, "an object");
	json_object_foreach(v, name, value) {
		if (!json_is_string(value) || !*name || strchr(name, '='))
			return wrong(m, k, "an object of names and texts");
		if (json_array_insert_new(
			    list, at++,
			    json_sprintf("%s=%s", name, json_string_value(value))) < 0)
			return fail_oom(m->e);
	}
	return 0;
}

/* What is at @name here, read-only at @target there. */
static int add_copy(const struct merge *m, const struct key *k, const char *name,
		    const char *target)
{
	_cleanup_free_ char *path = NULL, *full = NULL, *clean = strdup(target);
	char *end;

	if (!clean || asprintf(&path, "%s%s%s", *name == '/' ? "" : m->parent,
			       *name == '/' ? "" : "/", name) < 0)
		return fail_oom(m->e);
	full = realpath(path, NULL);
	if (!full)
		return fail_errno(m->e, "'%s': open '%s'", k->name, path);
	target = clean + strspn(clean, "/");
	while (strncmp(target, "./", 2) == 0)
		target += 2;
	for (end = clean + strlen(clean); end > target && end[-1] == '/'; end--)
		end[-1] = '\0';
	if (!path_is_clean(target))
		return fail(m->e, EINVAL,
			    "'%s': '%s' does not say where in the guest it is to be: "
			    "use -v %s:/PLACE:ro",
			    k->name, name, name);
	if (json_array_append_new(list_of(m->spec, "volumes"),
				  json_pack("{s:s, s:s+, s:b}", "source", full, "target",
					    "/", target, "read_only", 1)) < 0)
		return fail(m->e, EINVAL, "'%s': '%s' is not UTF-8", k->name, full);
	return 0;
}

static int add_same(const struct merge *m, const struct key *k, const char *name)
{
	return add_copy(m, k, name, name);
}

static int apply_copies(const struct merge *m, const struct key *k, json_t *v)
{
	return each_text(m, k, v, add_same);
}

/* {"DIR/STAR": "/PLACE"}: what is in a directory. */
static int apply_map(const struct merge *m, const struct key *k, json_t *v)
{
	const char *from;
	json_t *to;
	int r = 0;

	if (!json_is_object(v))
		return wrong(m, k, "an object");
	json_object_foreach(v, from, to) {
		size_t n = strlen(from);
		_cleanup_free_ char *dir = NULL;

		if (!json_is_string(to))
			return wrong(m, k, "an object of texts");
		if (n < 3 || strcmp(from + n - 2, "/*") != 0 ||
		    strcspn(from, "*?[") != n - 1)
			return fail(m->e, ENOTSUP,
				    "'%s': '%s' is not DIR/*, the only pattern there is "
				    "here: use -v HOST:GUEST:ro",
				    k->name, from);
		dir = strndup(from, n - 2);
		if (!dir)
			return fail_oom(m->e);
		r = r ?: add_copy(m, k, dir, json_string_value(to));
	}
	return r;
}

static int add_volume(const struct merge *m, const struct key *k, const char *text)
{
	return volume_parse(list_of(m->spec, "volumes"), text, m->e);
}

/* {"VOLUME": "/PLACE"} */
static int apply_mounts(const struct merge *m, const struct key *k, json_t *v)
{
	const char *name;
	json_t *to;
	int r = 0;

	if (json_is_array(v))
		return each_text(m, k, v, add_volume);
	if (!json_is_object(v))
		return wrong(m, k, "an object");
	json_object_foreach(v, name, to) {
		_cleanup_free_ char *text = NULL;

		if (!json_is_string(to))
			return wrong(m, k, "an object of texts");
		if (asprintf(&text, "%s:%s", name, json_string_value(to)) < 0)
			return fail_oom(m->e);
		r = r ?: add_volume(m, k, text);
	}
	return r;
}

static int add_klib(const struct merge *m, const struct key *k, const char *text)
{
	json_t *list = list_of(m->nanos, "klibs"), *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (strcmp(json_string_value(item), text) == 0)
			return 0;
	return json_array_append_new(list, json_string(text)) < 0 ? fail_oom(m->e) : 0;
}

static int apply_klibs(const struct merge *m, const struct key *k, json_t *v)
{
	return each_text(m, k, v, add_klib);
}

static int add_flag(const struct merge *m, const struct key *k, const char *text)
{
	return set_in(m, m->attributes, text, json_true());
}

static int apply_flags(const struct merge *m, const struct key *k, json_t *v)
{
	return each_text(m, k, v, add_flag);
}

static int apply_manifest(const struct merge *m, const struct key *k, json_t *v)
{
	const char *name;
	json_t *value;
	int r = 0;

	if (!json_is_object(v))
		return wrong(m, k, "an object");
	json_object_foreach(v, name, value)
		r = r ?: set_in(m, m->attributes, name, json_incref(value));
	return r;
}

/* A list, or a text, that is an attribute as it is. */
static int apply_list(const struct merge *m, const struct key *k, json_t *v)
{
	int r = each_text(m, k, v, ignore);

	return r < 0 ? r : set_in(m, m->attributes, k->text, json_incref(v));
}

static int apply_attribute(const struct merge *m, const struct key *k, json_t *v)
{
	return json_is_string(v) ? set_in(m, m->attributes, k->text, json_incref(v))
				 : wrong(m, k, "a text");
}

static int apply_text(const struct merge *m, const struct key *k, json_t *v)
{
	return json_is_string(v) ? set_in(m, m->spec, k->text, json_incref(v))
				 : wrong(m, k, "a text");
}

static int apply_label(const struct merge *m, const struct key *k, json_t *v)
{
	json_t *labels = json_object_get(m->spec, "labels");

	if (!json_is_string(v))
		return wrong(m, k, "a text");
	if (!labels)
		(void)json_object_set_new(m->spec, "labels", labels = json_object());
	return set_in(m, labels, k->text, json_incref(v));
}

/* The name that importing this release gives it. */
static int apply_version(const struct merge *m, const struct key *k, json_t *v)
{
	return json_is_string(v) ? set_in(m, m->spec, "kernel",
					  json_sprintf("nanos-%s", json_string_value(v)))
				 : wrong(m, k, "a text");
}

static int apply_uefi(const struct merge *m, const struct key *k, json_t *v)
{
	return json_is_true(v) ? set_in(m, m->nanos, "boot", json_string("uefi"))
			       : wrong(m, k, "true or false");
}

static int apply_restart(const struct merge *m, const struct key *k, json_t *v)
{
	if (!json_is_true(v))
		return wrong(m, k, "true or false");
	if (json_is_true(json_object_get(m->spec, "rm")))
		return fail(m->e, EINVAL, "'%s' and --rm exclude each other", k->name);
	return set_in(m, m->spec, "restart", json_pack("{s:s}", "policy", "always"));
}

static int apply_room(const struct merge *m, const struct key *k, json_t *v)
{
	uint64_t size;

	if (!json_is_string(v) || size_parse(json_string_value(v), &size) < 0)
		return wrong(m, k, "a size such as 200m");
	return size <= ROOM
		       ? 0
		       : fail(m->e, ENOTSUP,
			      "'%s' is more than the 1 GiB of room that a disk has: put "
			      "the data on a volume",
			      k->name);
}

static int apply_memory(const struct merge *m, const struct key *k, json_t *v)
{
	int64_t bytes;
	int r;

	if (!json_is_string(v))
		return wrong(m, k, "a size such as 512m");
	r = memory_parse(json_string_value(v), &bytes, m->e);
	return r < 0 ? r : set_in(m, m->spec, "memory", json_integer(bytes));
}

static int apply_cpus(const struct merge *m, const struct key *k, json_t *v)
{
	return json_is_integer(v) ? set_in(m, m->spec, "cpus", json_incref(v))
				  : wrong(m, k, "a number");
}

static int apply_accel(const struct merge *m, const struct key *k, json_t *v)
{
	return json_is_boolean(v) ? set_in(m, m->spec, "accel",
					   json_string(json_is_true(v) ? "auto" : "tcg"))
				  : wrong(m, k, "true or false");
}

/* "80" is the host's and the guest's, as is each of a range. */
static int add_port(const struct merge *m, const struct key *k, const char *text)
{
	bool both = !strchr(text, ':');

	return json_array_append_new(list_of(m->spec, "ports"),
				     json_sprintf("%s%s%s/%s", both ? text : "",
						  both ? ":" : "", text, k->text)) < 0
		       ? fail_oom(m->e)
		       : 0;
}

static int apply_ports(const struct merge *m, const struct key *k, json_t *v)
{
	return each_text(m, k, v, add_port);
}

#define HOST_NETWORK "a machine has one network card, of user networking (see --network)"
#define RELEASE \
	"take the release with 'volt kernel import --guest nanos' and name it by --kernel"
#define OPS_OWN "it tells ops how to work"
#define CLOUD   "volt runs machines on this host alone"

static const struct key run_keys[] = {
	{ "Accel", apply_accel, NULL },
	{ "AtExit", refuse, "run 'volt wait' and then the program" },
	{ "AttachVolumeOnInstanceCreate", refuse, CLOUD },
	{ "Background", refuse, "use 'volt run --detach'" },
	{ "BackgroundDetach", refuse, "use 'volt run --detach'" },
	{ "BridgeIPAddress", refuse, HOST_NETWORK },
	{ "BridgeName", refuse, HOST_NETWORK },
	{ "Bridged", refuse, HOST_NETWORK },
	{ "CanIPForward", refuse, CLOUD },
	{ "CPUs", apply_cpus, NULL },
	{ "Debug", refuse, OPS_OWN },
	{ "GPUType", refuse, CLOUD },
	{ "GPUs", refuse, CLOUD },
	{ "Gateway", apply_attribute, "gateway" },
	{ "GdbPort", refuse, "a machine has no port for a debugger" },
	{ "IPAddress", apply_attribute, "ipaddr" },
	{ "IPv6Address", apply_attribute, "ip6addr" },
	{ "ImageName", refuse, "name the image on the command line" },
	{ "InstanceGroup", refuse, CLOUD },
	{ "InstanceName", apply_text, "name" },
	{ "JSON", refuse, OPS_OWN },
	{ "Kernel", refuse, RELEASE },
	{ "Memory", apply_memory, NULL },
	{ "Mgmt", refuse, "volt has a socket of its own for each machine" },
	{ "Mounts", apply_mounts, NULL },
	{ "NetMask", apply_attribute, "netmask" },
	{ "Nics", refuse, HOST_NETWORK },
	{ "Ports", apply_ports, "tcp" },
	{ "QMP", refuse, "volt itself talks to QEMU" },
	{ "ShowDebug", refuse, OPS_OWN },
	{ "ShowErrors", refuse, OPS_OWN },
	{ "ShowWarnings", refuse, OPS_OWN },
	{ "TapName", refuse, HOST_NETWORK },
	{ "ThreadsPerCore", refuse, CLOUD },
	{ "UDPPorts", apply_ports, "udp" },
	{ "Verbose", refuse, OPS_OWN },
	{ "Vga", refuse, "a Nanos guest has a serial console alone" },
	{ "VolumeSizeInGb", refuse, "use 'volt volume create --size'" },
	{ NULL, NULL, NULL }
};

static int apply_run(const struct merge *m, const struct key *k, json_t *v);

static const struct key keys[] = {
	{ "Args", apply_args, NULL },
	{ "BaseVolumeSz", apply_room, NULL },
	{ "Boot", refuse, RELEASE },
	{ "BuildDir", refuse, OPS_OWN },
	{ "CloudConfig", refuse, CLOUD },
	{ "Debugflags", apply_flags, NULL },
	{ "Description", apply_label, "org.opencontainers.image.description" },
	{ "Dirs", apply_copies, NULL },
	{ "DisableArgsCopy", accept, NULL },
	{ "Env", apply_env, NULL },
	{ "Files", apply_copies, NULL },
	{ "Force", refuse, OPS_OWN },
	{ "Kernel", refuse, RELEASE },
	{ "KlibDir", refuse, "klibs come with their kernel: " RELEASE },
	{ "Klibs", apply_klibs, NULL },
	{ "Language", refuse, OPS_OWN },
	{ "LocalFilesParentDirectory", check_text, NULL },
	{ "ManifestPassthrough", apply_manifest, NULL },
	{ "MapDirs", apply_map, NULL },
	{ "Mounts", apply_mounts, NULL },
	{ "NameServers", refuse, "its network has a resolver, which asks the host's" },
	{ "NanosVersion", apply_version, NULL },
	{ "NightlyBuild", refuse, RELEASE },
	{ "NoTrace", apply_list, "notrace" },
	{ "PackageBaseURL", refuse, OPS_OWN },
	{ "PackageManifestURL", refuse, OPS_OWN },
	{ "Program", refuse, "make an image of the program: 'volt build --binary'" },
	{ "ProgramPath", refuse, "make an image of the program: 'volt build --binary'" },
	{ "RebootOnExit", apply_restart, NULL },
	{ "RunConfig", apply_run, NULL },
	{ "TFSv4", refuse, "volt writes version 5 alone" },
	{ "TargetConfig", refuse, CLOUD },
	{ "TargetRoot", refuse, "name files of the host by their whole paths" },
	{ "Uefi", apply_uefi, NULL },
	{ "UefiBoot", refuse, RELEASE },
	{ "Version", apply_label, "org.opencontainers.image.version" },
	{ "VolumesDir", refuse, "volumes are volt's: 'volt volume ls'" },
	{ "home", refuse, OPS_OWN },
	{ NULL, NULL, NULL }
};

/* What is as good as absent; but Accel says something when it is false. */
static bool is_nothing(const struct key *k, const json_t *v)
{
	return json_is_null(v) || (json_is_false(v) && k->apply != apply_accel) ||
	       (json_is_string(v) && !*json_string_value(v)) ||
	       (json_is_number(v) && json_number_value(v) == 0) ||
	       (json_is_array(v) && json_array_size(v) == 0) ||
	       (json_is_object(v) && json_object_size(v) == 0);
}

static int apply_keys(const struct merge *m, const struct key *known, json_t *config)
{
	const char *name;
	json_t *v;

	json_object_foreach(config, name, v) {
		const struct key *k = known;
		int r;

		while (k->name && strcasecmp(k->name, name) != 0)
			k++;
		if (!k->name)
			return fail(m->e, EINVAL,
				    "'%s' is no key of ops' that volt knows", name);
		r = is_nothing(k, v) ? 0 : k->apply(m, k, v);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_run(const struct merge *m, const struct key *k, json_t *v)
{
	return json_is_object(v) ? apply_keys(m, run_keys, v) : wrong(m, k, "an object");
}

/* "nanos" of the wish and its attributes, made where they are not there. */
static json_t *object_of(json_t *j, const char *key)
{
	if (!json_object_get(j, key))
		(void)json_object_set_new(j, key, json_object());
	return json_object_get(j, key);
}

static const char *parent_of(json_t *config)
{
	const char *name, *parent = NULL;
	json_t *v;

	json_object_foreach(config, name, v)
		if (strcasecmp(name, "LocalFilesParentDirectory") == 0)
			parent = json_string_value(v);
	return parent && *parent ? parent : ".";
}

int ops_config_apply(const char *path, json_t *spec, struct volt_error *e)
{
	struct merge m = { .spec = spec, .nanos = object_of(spec, "nanos"), .e = e };
	json_auto_t *config = NULL;
	int r = json_read_at(AT_FDCWD, path, &config, e);

	if (r == -ENOENT)
		return fail_code(e, r, "read '%s'", path);
	if (r < 0)
		return r;
	m.attributes = object_of(m.nanos, "attributes");
	if (!m.attributes)
		return fail_oom(e);
	if (!json_is_object(config))
		return fail(e, EINVAL, "'%s' is no JSON object", path);
	m.parent = parent_of(config);
	r = apply_keys(&m, keys, config);
	return r < 0 ? fail_in(e, r, "'%s'", path) : 0;
}
