/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "rootfs/tfs-read-private.h"

#define VALUES_MAX 1000000u
#define LEVELS_MAX 64u

struct maker {
	const struct tfs *fs;
	uint32_t values;
	unsigned int levels;
	struct volt_error *e;
};

/* Numbers that a json_int_t does not hold are strings. */
static json_t *number_json(const struct tfs_value *v)
{
	const char *sign = v->kind == TFS_NEGATIVE ? "-" : "";
	char text[24];

	if (v->number <= INT64_MAX)
		return json_integer(*sign ? -(json_int_t)v->number
					  : (json_int_t)v->number);
	(void)snprintf(text, sizeof(text), "%s%" PRIu64, sign, v->number);
	return json_string(text);
}

static json_t *group_json(struct maker *m, uint32_t group);

static json_t *value_json(struct maker *m, const struct tfs_value *v)
{
	switch ((enum tfs_kind)v->kind) {
	case TFS_FLAG:
		return json_true();
	case TFS_TEXT:
		return json_bytes(v->text, v->size);
	case TFS_NUMBER:
	case TFS_NEGATIVE:
		return number_json(v);
	case TFS_TUPLE:
	case TFS_VECTOR:
		return group_json(m, v->group);
	case TFS_NULL:
		break;
	}
	return json_null();
}

/* Takes @value. */
static int put(const struct maker *m, json_t *into, const struct tfs_value *v,
	       json_t *value)
{
	const struct tfs_symbol *s = &TFS_SYMBOLS(m->fs)[v->name];
	_cleanup_free_ char *name = NULL;

	if (json_is_array(into))
		return json_array_append_new(into, value);
	name = json_readable(s->text, s->size);
	if (!name) {
		json_decref(value);
		return -1;
	}
	return json_object_set_new(into, name, value);
}

/* Of the root: what is its as a directory. The kernel notes in one, also on disk, which one
 * it is in; the root is in itself. */
static bool is_left_out(const struct maker *m, const struct tfs_value *v)
{
	static const char *const names[] = { "children", "..", "atime", "mtime" };
	const struct tfs_symbol *s = &TFS_SYMBOLS(m->fs)[v->name];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (s->size == strlen(names[i]) &&
		    memcmp(s->text, names[i], s->size) == 0)
			return true;
	return false;
}

/* NULL: out of memory, or the error says it. */
static json_t *group_json(struct maker *m, uint32_t group)
{
	const struct tfs_group *g = &TFS_GROUPS(m->fs)[group];
	json_auto_t *ret = g->vector ? json_array() : json_object();

	if (m->levels == LEVELS_MAX || g->n > VALUES_MAX - m->values) {
		(void)fail(m->e, EFBIG, "the file system's attributes have no end");
		return NULL;
	}
	m->levels++;
	m->values += g->n;
	for (uint32_t i = 0; ret && i < g->n; i++) {
		json_t *v;

		if (group == 0 && is_left_out(m, &g->v[i]))
			continue;
		v = value_json(m, &g->v[i]);
		if (!v || put(m, ret, &g->v[i], v) < 0)
			return NULL;
	}
	m->levels--;
	return json_incref(ret);
}

int tfs_attributes(const struct tfs *fs, json_t **ret, struct volt_error *e)
{
	struct volt_error why = { 0 };
	struct maker m = { .fs = fs, .e = &why };
	json_t *j = group_json(&m, 0);

	if (!j && why.code == 0)
		return fail_oom(e);
	if (!j)
		return fail(e, why.code, "%s", why.msg);
	*ret = j;
	return 0;
}
