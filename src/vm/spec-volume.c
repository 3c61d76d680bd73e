/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "rootfs/volume.h"
#include "vm/internal.h"
#include "vm/spec-member.h"
#include "vm/volume-disks.h"

#define OWN_DIRECTORY "/.volt"

bool volume_is_named(const struct spec_volume *v)
{
	return v->source[0] != '/';
}

static int check_source(const struct spec_volume *v, struct volt_error *e)
{
	if (!v->source || strlen(v->source) >= 4096 || !*v->source)
		return fail(e, EINVAL,
			    "volume source '%.200s' is neither absolute nor a name",
			    v->source ? v->source : "");
	if (v->source[0] == '/')
		return 0;
	if (strchr(v->source, '/'))
		return fail(e, EINVAL, "volume source '%.200s' must be absolute",
			    v->source);
	return volume_check_name(v->source, e);
}

int spec_volume_parse(const json_t *j, struct spec_volume *v, struct volt_error *e)
{
	static const char *const known[] = { "source", "target", "read_only", "file",
					     NULL };

	TRY(json_only(j, "volume", known, e));
	TRY(spec_get_text(j, "source", &v->source, e));
	TRY(spec_get_text(j, "target", &v->target, e));
	TRY(json_get_bool(j, "read_only", &v->read_only, e));
	TRY(json_get_bool(j, "file", &v->file, e));
	return check_source(v, e);
}

json_t *spec_volume_json(const struct spec_volume *v)
{
	json_t *j = json_pack("{s:s, s:s, s:b}", "source", v->source, "target", v->target,
			      "read_only", v->read_only);

	if (j && v->file && json_object_set_new(j, "file", json_true()) < 0)
		json_decref(TAKE_PTR(j));
	return j;
}

/* --- what Nanos cannot do --- */

static bool is_inside(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]);
}

static int check_pair(const struct spec_volume *a, const struct spec_volume *b,
		      struct volt_error *e)
{
	if (volume_is_named(a) && strcmp(a->source, b->source) == 0)
		return fail(e, EINVAL,
			    "volume '%s' is mounted twice: Nanos mounts it at one place "
			    "of a machine",
			    a->source);
	if (is_inside(a->target, b->target))
		return fail(e, EINVAL,
			    "'%s' is inside of '%s', which is a volume: Nanos mounts "
			    "none in another",
			    a->target, b->target);
	return 0;
}

static int check_one(const struct spec *s, const struct spec_volume *v,
		     struct volt_error *e)
{
	if (s->guest != GUEST_NANOS && volume_is_named(v))
		return fail(e, EINVAL,
			    "volume '%s': volumes by name are for Nanos guests only, so "
			    "far; for a directory here write ./%s",
			    v->source, v->source);
	if (s->guest != GUEST_NANOS)
		return v->file ? fail(e, EINVAL, "volume '%s' must not have 'file'",
				      v->source)
			       : 0;
	if (is_inside(v->target, OWN_DIRECTORY))
		return fail(e, EINVAL, "mount point '%s' is volt's", v->target);
	/* it may end in ":ro" for the kernel */
	if (strchr(v->target, ':'))
		return fail(e, EINVAL,
			    "mount point '%s' has a ':', which Nanos does not take",
			    v->target);
	for (size_t i = 0; i < s->n_volumes; i++)
		if (&s->volumes[i] != v)
			TRY(check_pair(v, &s->volumes[i], e));
	return 0;
}

int spec_volumes_check(const struct spec *s, struct volt_error *e)
{
	if (s->guest == GUEST_NANOS && s->n_volumes > VOLUME_DISKS_MAX)
		return fail(e, E2BIG, "more than %d volumes for a Nanos guest",
			    VOLUME_DISKS_MAX);
	for (size_t i = 0; i < s->n_volumes; i++)
		TRY(check_one(s, &s->volumes[i], e));
	return 0;
}
