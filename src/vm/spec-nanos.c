/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/path.h"
#include "vm/internal.h"
#include "vm/signals.h"

/* The kernel gives a program 30 s to obey SIGTERM, and then syncs. */
#define STOP_TIMEOUT   35
#define DEPTH_MAX      16
#define ATTRIBUTES_MAX 1000 /* in all, at any depth */
#define KEY_MAX        255

static const char *const boot_texts[] = {
	[BOOT_DIRECT] = "direct",
	[BOOT_BIOS] = "bios",
	[BOOT_UEFI] = "uefi",
};

const char *spec_boot_text(enum boot_kind b)
{
	return boot_texts[b];
}

/* Root attributes that volt sets by other means, or could not do without. */
static const struct {
	const char *key, *instead;
} reserved[] = {
	{ "program", "name the program by the command or 'entrypoint'" },
	{ "arguments", "give them as the command" },
	{ "environment", "use 'env'" },
	{ "cwd", "use 'workdir'" },
	{ "klibs", "use 'klibs' of 'nanos'" },
	{ "mounts", "use 'volumes'" },
	{ "readonly_rootfs", "use 'read_only'" },
	{ "debug_exit", "volt always sets it, for the exit status" },
	{ "idle_on_exit", "the machine would never end" },
	{ "children", "it is the file system itself" },
	{ "boot", "use 'boot' of 'nanos'" },
};

/* --- attributes --- */

static int check_value(const char *key, const json_t *v, unsigned int depth,
		       unsigned int *left, struct volt_error *e);

static int check_key(const char *key, struct volt_error *e)
{
	size_t n = strlen(key);

	return n > 0 && n <= KEY_MAX
		       ? 0
		       : fail(e, EINVAL,
			      "Nanos attribute '%.100s': a name has 1 to %d bytes", key,
			      KEY_MAX);
}

static int check_object(const json_t *o, unsigned int depth, unsigned int *left,
			struct volt_error *e)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)o, key, v) {
		TRY(check_key(key, e));
		TRY(check_value(key, v, depth, left, e));
	}
	return 0;
}

static int check_array(const char *key, const json_t *a, unsigned int depth,
		       unsigned int *left, struct volt_error *e)
{
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)a, i, v)
		TRY(check_value(key, v, depth, left, e));
	return 0;
}

/* What has a form on the disk. */
static int check_value(const char *key, const json_t *v, unsigned int depth,
		       unsigned int *left, struct volt_error *e)
{
	if (!*left || !depth)
		return fail(e, E2BIG,
			    "Nanos attributes are more than %d or deeper than %d",
			    ATTRIBUTES_MAX, DEPTH_MAX);
	--*left;
	if (json_is_object(v))
		return check_object(v, depth - 1, left, e);
	if (json_is_array(v))
		return check_array(key, v, depth - 1, left, e);
	if (json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v) &&
	    json_string_length(v) <= SPEC_STRING_MAX)
		return 0;
	if (json_is_integer(v) || json_is_boolean(v))
		return 0;
	return fail(
		e, EINVAL,
		"Nanos attribute '%.100s' is not text, an integer, true, a list or an "
		"object",
		key);
}

static int check_attributes(const json_t *o, struct volt_error *e)
{
	unsigned int left = ATTRIBUTES_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (json_object_get(o, reserved[i].key))
			return fail(e, EINVAL, "Nanos attribute '%s' is volt's: %s",
				    reserved[i].key, reserved[i].instead);
	return check_object(o, DEPTH_MAX, &left, e);
}

/* --- parsing --- */

/* The name of a file beside the kernel. */
static int check_klibs(const struct strv *klibs, struct volt_error *e)
{
	if (klibs->n > SPEC_KLIBS_MAX)
		return fail(e, E2BIG, "more than %d klibs", SPEC_KLIBS_MAX);
	strv_foreach(name, klibs->v)
		if (!name_is_valid(*name))
			return fail(e, EINVAL, "klib '%.100s' is not a valid name",
				    *name);
	for (size_t i = 1; i < klibs->n; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(klibs->v[i], klibs->v[k]) == 0)
				return fail(e, EINVAL, "klib '%s' is named twice",
					    klibs->v[i]);
	return 0;
}

static int parse_nanos(const json_t *o, struct spec_nanos *n, struct volt_error *e)
{
	static const char *const known[] = { "boot", "full", "klibs", "attributes",
					     NULL };
	unsigned int boot = BOOT_DIRECT;
	json_t *attributes = NULL;

	TRY(json_only(o, "nanos", known, e));
	TRY(spec_get_choice(o, "boot", boot_texts, ARRAY_SIZE(boot_texts), &boot, e));
	TRY(json_get_bool(o, "full", &n->full, e));
	TRY(spec_get_strings(o, "klibs", &n->klibs, NULL, e));
	TRY(json_get_object(o, "attributes", &attributes, e));
	TRY(check_klibs(&n->klibs, e));
	n->boot = (enum boot_kind)boot;
	if (!json_object_size(attributes))
		return 0;
	TRY(check_attributes(attributes, e));
	n->attributes = json_deep_copy(attributes);
	return n->attributes ? 0 : fail_oom(e);
}

int nanos_from_json(const json_t *j, struct spec *s, struct volt_error *e)
{
	json_t *nanos = NULL;

	if (s->guest != GUEST_NANOS)
		return spec_has(j, "nanos") ? fail(e, EINVAL,
						   "'nanos' goes with the guest 'nanos' "
						   "only")
					    : 0;
	s->stop_timeout = STOP_TIMEOUT;
	TRY(json_get_object(j, "nanos", &nanos, e));
	return nanos ? parse_nanos(nanos, &s->nanos, e) : 0;
}

/* --- checks --- */

bool spec_user_is_root(const char *user)
{
	static const char *const roots[] = { "",          "0",      "0:0",   "root",
					     "root:root", "root:0", "0:root" };

	for (size_t i = 0; user && i < ARRAY_SIZE(roots); i++)
		if (strcmp(user, roots[i]) == 0)
			return true;
	return !user;
}

int nanos_check_arch(const char *arch, struct volt_error *e)
{
	return strcmp(arch, "x86_64") == 0
		       ? 0
		       : fail(e, ENOTSUP,
			      "Nanos guests are for x86_64 only, not '%s': without "
			      "'--guest nanos' it runs under Linux",
			      arch);
}

/* One program, which nothing of volt's can reach: what would have to be done beside it, or to
 * it, is refused with the reason. */
int nanos_spec_check(const struct spec *s, struct volt_error *e)
{
	if (s->arch)
		TRY(nanos_check_arch(s->arch, e));
	if (s->tty)
		return fail(e, ENOTSUP,
			    "a Nanos guest has no terminal: what it writes goes to its "
			    "console, run it without -t");
	if (s->open_stdin)
		return fail(
			e, ENOTSUP,
			"a Nanos guest reads no standard input: nothing comes in by its "
			"console, run it without -i");
	if (!spec_user_is_root(s->user))
		return fail(e, ENOTSUP,
			    "user '%.100s': a Nanos guest has one user, root, and one "
			    "program",
			    s->user);
	if (s->n_tmpfs)
		return fail(
			e, ENOTSUP,
			"tmpfs '%s': Nanos mounts none: without it the path is on the "
			"machine's own disk, which can be written",
			s->tmpfs[0].target);
	if (s->stop_signal && strcmp(signal_name(s->stop_signal), "SIGTERM") != 0)
		return fail(
			e, ENOTSUP,
			"stop signal %s: a Nanos guest is stopped by its power button, "
			"which its program sees as SIGTERM",
			signal_name(s->stop_signal));
	return 0;
}

/* --- writing --- */

json_t *nanos_to_json(const struct spec_nanos *n)
{
	json_t *klibs = json_array();
	json_t *j;

	strv_foreach(k, n->klibs.v)
		if (json_array_append_new(klibs, json_string(*k)) < 0) {
			json_decref(klibs);
			return NULL;
		}
	j = json_pack("{s:s, s:b, s:o}", "boot", boot_texts[n->boot], "full", n->full,
		      "klibs", klibs);
	if (j && n->attributes &&
	    json_object_set_new(j, "attributes", json_deep_copy(n->attributes)) < 0)
		json_decref(TAKE_PTR(j));
	return j;
}
