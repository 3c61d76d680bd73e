/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in a machine: the image's config and the wish, merged once by podman's rules,
 * so that the supervisor and init only ever see the outcome.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strv.h"
#include "image/image.h"
#include "lib/internal.h"
#include "vm/signals.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The image's config comes from outside: what is not as the OCI says is refused. */
static int add_strings(struct strv *list, const json_t *config, const char *key,
		       struct volt_error *e)
{
	json_t *items = json_object_get(config, key), *item;
	size_t i;

	if (!items || json_is_null(items))
		return 0;
	if (!json_is_array(items))
		return fail(e, EBADMSG, "the image's '%s' is not a list", key);
	json_array_foreach(items, i, item) {
		if (!json_is_string(item))
			return fail(e, EBADMSG, "the image's '%s' is not a list of words",
				    key);
		if (strv_add(list, json_string_value(item)) < 0)
			return fail_oom(e);
	}
	return 0;
}

static int add_all(struct strv *list, const struct strv *more, struct volt_error *e)
{
	strv_foreach(word, more->v)
		if (strv_add(list, *word) < 0)
			return fail_oom(e);
	return 0;
}

/* An entrypoint that was asked for makes the image's arguments meaningless. */
static int make_args(struct spec *s, const json_t *config, struct volt_error *e)
{
	struct strv *args = &s->process.args;
	int r;

	r = s->has_entrypoint ? add_all(args, &s->entrypoint, e)
			      : add_strings(args, config, "Entrypoint", e);
	if (r == 0 && s->has_cmd)
		r = add_all(args, &s->cmd, e);
	else if (r == 0 && !s->has_entrypoint)
		r = add_strings(args, config, "Cmd", e);
	if (r == 0 && args->n == 0)
		return fail(e, EINVAL,
			    "image '%s' does not say what to run: name a command after "
			    "it",
			    s->image.ref);
	return r;
}

/* Sets a variable, in place of one that has the name. */
static int set_variable(struct strv *env, const char *variable)
{
	size_t n = strcspn(variable, "=") + 1;
	char *copy;

	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->v[i], variable, n) != 0)
			continue;
		copy = strdup(variable);
		if (!copy)
			return -ENOMEM;
		free(env->v[i]);
		env->v[i] = copy;
		return 0;
	}
	return strv_add(env, variable);
}

static int make_env(struct spec *s, const json_t *config, struct volt_error *e)
{
	_cleanup_strv_ struct strv image = { 0 };
	struct strv *env = &s->process.env;
	int r;

	r = add_strings(&image, config, "Env", e);
	if (r < 0)
		return r;
	r = set_variable(env, "PATH=" DEFAULT_PATH);
	if (r == 0 && s->tty)
		r = set_variable(env, "TERM=xterm");
	strv_foreach(v, image.v)
		if (r == 0 && strchr(*v, '=')) /* others mean nothing in an image */
			r = set_variable(env, *v);
	strv_foreach(v, s->env.v)
		if (r == 0)
			r = set_variable(env, *v);
	return r < 0 ? fail_oom(e) : 0;
}

/* The wish, or what the image says, or @otherwise. */
static int choose(char **ret, const char *wish, const json_t *config, const char *key,
		  const char *otherwise, struct volt_error *e)
{
	const char *text = json_string_value(json_object_get(config, key));

	if (wish)
		text = wish;
	else if (!text || !*text)
		text = otherwise;
	*ret = strdup(text);
	return *ret ? 0 : fail_oom(e);
}

static int make_stop_signal(struct spec *s, const json_t *config, struct volt_error *e)
{
	const char *text = json_string_value(json_object_get(config, "StopSignal"));

	s->process.stop_signal = s->stop_signal ? s->stop_signal : SIGTERM;
	if (s->stop_signal || !text || !*text)
		return 0;
	if (signal_parse(text, &s->process.stop_signal) < 0)
		return fail(e, EBADMSG, "the image's stop signal '%s' is not known here",
			    text);
	return 0;
}

static bool has_label(const struct strv *labels, const char *key)
{
	size_t n = strlen(key);

	strv_foreach(l, labels->v)
		if (strncmp(*l, key, n) == 0 && (*l)[n] == '=')
			return true;
	return false;
}

static int compare_labels(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_labels(struct spec *s, const json_t *config, struct volt_error *e)
{
	json_t *labels = json_object_get(config, "Labels"), *value;
	const char *key;

	json_object_foreach(labels, key, value) {
		if (!json_is_string(value) || has_label(&s->labels, key))
			continue;
		if (strv_addf(&s->labels, "%s=%s", key, json_string_value(value)) < 0)
			return fail_oom(e);
	}
	if (s->labels.n > 1)
		qsort(s->labels.v, s->labels.n, sizeof(*s->labels.v), compare_labels);
	return 0;
}

int process_make(struct spec *s, const struct image *img, struct volt_error *e)
{
	const json_t *config = json_object_get(img->config_json, "config");
	struct spec_process *p = &s->process;
	int r;

	if ((r = make_args(s, config, e)) < 0 || (r = make_env(s, config, e)) < 0 ||
	    (r = choose(&p->cwd, s->workdir, config, "WorkingDir", "/", e)) < 0 ||
	    (r = choose(&p->user, s->user, config, "User", "", e)) < 0 ||
	    (r = make_stop_signal(s, config, e)) < 0)
		return r;
	return add_labels(s, config, e);
}
