/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel is told about one machine: the attributes of its root directory. */
#include <string.h>

#include "guest/nanos-plan-internal.h"

/* Of one that is there twice the last counts, for the plan and for the guest. */
const char *nanos_env(const struct nanos_wish *w, const char *name)
{
	const char *ret = NULL;
	size_t n = strlen(name);

	strv_foreach(v, w->env->v)
		if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
			ret = *v + n + 1;
	return ret;
}

static json_t *environment(const struct nanos_wish *w)
{
	json_t *j = json_object();

	strv_foreach(v, w->env->v) {
		size_t n = strcspn(*v, "=");
		_cleanup_free_ char *name = strndup(*v, n);

		if (n > 0 && (*v)[n] &&
		    (!name ||
		     json_object_set_new(j, name, json_string(nanos_env(w, name))) < 0)) {
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
