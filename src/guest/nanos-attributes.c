/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel is told about one machine: the attributes of its root directory. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "guest/nanos-plan-internal.h"

/* What volt sets, and how it is wished for instead. */
static const struct {
	const char *key, *instead;
} own[] = {
	{ "arguments", "the arguments after the image" },
	{ "boot", "--boot" },
	{ "children", "the image's files" },
	{ "cwd", "--workdir" },
	{ "debug_exit", "nothing: volt needs it for the exit status" },
	{ "environment", "--env" },
	{ "idle_on_exit", "nothing: the machine would never end" },
	{ "imagesize", "nothing: the disk has room" },
	{ "klibs", "--klib" },
	{ "mounts", "--volume" },
	{ "program", "--entrypoint" },
	{ "reboot_on_exit", "--restart" },
};

int nanos_attributes_check(const json_t *more, struct volt_error *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (json_object_get(more, own[i].key))
			return fail(e, EINVAL,
				    "attribute '%s' is volt's own to set; use %s",
				    own[i].key, own[i].instead);
	return 0;
}

static json_t *environment(const struct nanos_wish *w)
{
	json_t *j = json_object();

	strv_foreach(v, w->env->v) {
		size_t n = strcspn(*v, "=");
		_cleanup_free_ char *name = strndup(*v, n);

		if (n > 0 && (*v)[n] &&
		    (!name ||
		     json_object_set_new(j, name, json_string(*v + n + 1)) < 0)) {
			json_decref(j);
			return NULL;
		}
	}
	return j;
}

/* What a login would set, and programs rely on. */
static int set_missing(json_t *j, const char *name, const char *value)
{
	return json_object_get(j, name)
		       ? 0
		       : json_object_set_new(j, name, json_string(value));
}

static json_t *arguments(const struct nanos_wish *w)
{
	json_t *j = json_array();

	strv_foreach(word, w->args->v)
		if (json_array_append_new(j, json_string(*word)) < 0) {
			json_decref(j);
			return NULL;
		}
	return j;
}

json_t *nanos_plan_attributes(const struct nanos_wish *w, const struct nanos_plan *p,
			      const json_t *more)
{
	json_t *env = environment(w), *j;

	if (set_missing(env, "USER", "root") < 0 ||
	    set_missing(env, "HOME", "/root") < 0 ||
	    set_missing(env, "PWD", w->cwd) < 0) {
		json_decref(env);
		return NULL;
	}
	j = json_pack("{s:s, s:o, s:o, s:s}", "program", p->program, "arguments",
		      arguments(w), "environment", env, "cwd", w->cwd);
	if (j && more && json_object_update(j, (json_t *)(uintptr_t)more) < 0) {
		json_decref(j);
		return NULL;
	}
	return j;
}
