/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/wish-nanos.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "cli/ops-config.h"

static struct {
	const char *boot, *config;
	const char **attribute, **klib;
	int full;
} o;

const struct poptOption wish_nanos_options[] = {
	{ "boot", 0, POPT_ARG_STRING, &o.boot, 0,
	  "For Nanos: direct (default), or by the disk's boot sector or UEFI loader",
	  "direct|bios|uefi" },
	{ "config", 'c', POPT_ARG_STRING, &o.config, 0,
	  "For Nanos: wish for what this config file of ops says, too", "FILE" },
	{ "full", 0, POPT_ARG_NONE, &o.full, 0,
	  "For Nanos: take the whole image, not only what its program needs", NULL },
	{ "klib", 0, POPT_ARG_ARGV, &o.klib, 0,
	  "For Nanos: load this library into the kernel", "NAME" },
	{ "nanos", 0, POPT_ARG_ARGV, &o.attribute, 0,
	  "For Nanos: set an attribute of the root; {...} and [...] are JSON",
	  "KEY[=VALUE]" },
	POPT_TABLEEND
};

const char *wish_nanos_given(void)
{
	if (o.boot)
		return "boot";
	if (o.config)
		return "config";
	if (o.full)
		return "full";
	if (o.klib)
		return "klib";
	return o.attribute ? "nanos" : NULL;
}

/* Takes the reference to *@at's successor: the object @key of *@at, made if it is not there. */
static int enter(json_t **at, const char *key, size_t n, const char *word,
		 struct volt_error *e)
{
	json_t *next = json_object_getn(*at, key, n);

	if (!n)
		return fail(e, EINVAL, "'--nanos %.200s': a name is empty", word);
	if (next && !json_is_object(next))
		return fail(e, EINVAL, "'--nanos %.200s': '%.*s' is no object", word,
			    (int)n, key);
	if (!next) {
		next = json_object();
		if (json_object_setn_new(*at, key, n, next) < 0)
			return fail(e, EINVAL, "'--nanos %.200s' is not UTF-8", word);
	}
	*at = next;
	return 0;
}

static int value_parse(const char *text, const char *word, json_t **ret,
		       struct volt_error *e)
{
	int r;

	*ret = NULL;
	if (!text)
		*ret = json_true();
	else if (*text != '{' && *text != '[')
		*ret = json_string(text);
	else if ((r = json_parse(text, strlen(text), "it", ret, e)) < 0)
		return fail_in(e, r, "'--nanos %.200s'", word);
	return *ret ? 0 : fail(e, EINVAL, "'--nanos %.200s' is not UTF-8", word);
}

int attribute_parse(json_t *attributes, const char *word, struct volt_error *e)
{
	size_t n = strcspn(word, "=");
	const char *value = word[n] ? word + n + 1 : NULL, *key = word, *dot;
	json_t *v;
	int r = 0;

	while (r == 0 && (dot = memchr(key, '.', (size_t)(word + n - key)))) {
		r = enter(&attributes, key, (size_t)(dot - key), word, e);
		key = dot + 1;
	}
	if (r < 0)
		return r;
	if (key == word + n)
		return fail(e, EINVAL, "'--nanos %.200s': a name is empty", word);
	r = value_parse(value, word, &v, e);
	if (r < 0)
		return r;
	if (json_object_setn_new(attributes, key, (size_t)(word + n - key), v) < 0)
		return fail(e, EINVAL, "'--nanos %.200s' is not UTF-8", word);
	return 0;
}

static int put_klibs(json_t *nanos, struct volt_error *e)
{
	json_t *list = json_array();

	if (json_object_set_new(nanos, "klibs", list) < 0)
		return fail_oom(e);
	for (const char **w = o.klib; w && *w; w++)
		if (json_array_append_new(list, json_string(*w)) < 0)
			return fail(e, EINVAL, "klib '%s' is not UTF-8", *w);
	return 0;
}

int wish_nanos_put(json_t *spec, struct volt_error *e)
{
	json_t *nanos = json_object(), *attributes = json_object();
	int r;

	if (json_object_set_new(spec, "nanos", nanos) < 0 ||
	    json_object_set_new(nanos, "attributes", attributes) < 0 ||
	    json_object_set_new(nanos, "full", json_boolean(o.full)) < 0 ||
	    (o.boot && json_object_set_new(nanos, "boot", json_string(o.boot)) < 0))
		return fail_oom(e);
	r = put_klibs(nanos, e);
	for (const char **w = o.attribute; r == 0 && w && *w; w++)
		r = attribute_parse(attributes, *w, e);
	return r;
}

int wish_nanos_config(json_t *spec, struct volt_error *e)
{
	return o.config ? ops_config_apply(o.config, spec, e) : 0;
}
