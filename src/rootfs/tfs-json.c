/* SPDX-License-Identifier: Apache-2.0 */
/* JSON, of which attributes are made. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "rootfs/tfs-encode.h"

/* Nanos reads what is in a tuple by calling itself. */
#define DEPTH_MAX 16

/* An attribute that is not there. */
static bool is_absent(const json_t *j)
{
	return json_is_false(j);
}

uint64_t tfs_count_json(const json_t *j)
{
	const char *key;
	json_t *value;
	uint64_t n = 0;

	json_object_foreach((json_t *)j, key, value) {
		if (!is_absent(value))
			n++;
	}
	return n;
}

/* What the top of the document is made of, for messages and to know when to stop. */
struct put {
	struct tfs_encoder *c;
	const char *name; /* of the attribute of the root */
	bool may_delete;
	unsigned int depth;
	struct volt_error *e;
};

static int put_value(struct put *p, const json_t *j);

static int put_members(struct put *p, const json_t *j)
{
	const char *key;
	json_t *value;
	int r = 0;

	json_object_foreach((json_t *)j, key, value) {
		if (is_absent(value))
			continue;
		if (p->depth == 0)
			p->name = key;
		if (*key == '\0')
			return fail(p->e, EINVAL, "an attribute has no name");
		tfs_put_name(p->c, key, strlen(key));
		r = put_value(p, value);
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_elements(struct put *p, const json_t *j)
{
	json_t *value;
	uint64_t n = 0;
	size_t i;
	int r;

	json_array_foreach((json_t *)j, i, value)
		n += !is_absent(value);
	(void)tfs_put_vector(p->c, n);
	json_array_foreach((json_t *)j, i, value) {
		r = is_absent(value) ? 0 : put_value(p, value);
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_text(struct put *p, const json_t *j)
{
	const char *text = json_string_value(j);
	size_t n = json_string_length(j);

	if (memchr(text, '\0', n))
		return fail(p->e, EINVAL, "attribute '%s' has a NUL in its text",
			    p->name);
	tfs_put_text(p->c, text, n);
	return 0;
}

static int put_integer(struct put *p, json_int_t n)
{
	char text[32];

	tfs_put_text(p->c, text,
		     (size_t)snprintf(text, sizeof(text), "%lld", (long long)n));
	return 0;
}

static int put_null(struct put *p)
{
	if (!p->may_delete)
		return fail(p->e, EINVAL, "attribute '%s' is null: nothing to delete",
			    p->name);
	tfs_put_byte(p->c, 0x80);
	return 0;
}

static int put_nested(struct put *p, const json_t *j)
{
	int r;

	if (p->depth == DEPTH_MAX)
		return fail(p->e, EINVAL, "attribute '%s' is nested too deeply", p->name);
	p->depth++;
	if (json_is_object(j)) {
		(void)tfs_put_tuple(p->c, tfs_count_json(j));
		r = put_members(p, j);
	} else {
		r = put_elements(p, j);
	}
	p->depth--;
	return r;
}

static int put_value(struct put *p, const json_t *j)
{
	switch (json_typeof(j)) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		return put_nested(p, j);
	case JSON_STRING:
		return put_text(p, j);
	case JSON_INTEGER:
		return put_integer(p, json_integer_value(j));
	case JSON_TRUE:
		tfs_put_text(p->c, "t", 1);
		return 0;
	case JSON_NULL:
		return put_null(p);
	default:
		return fail(p->e, EINVAL, "attribute '%s' is a number that is not whole",
			    p->name);
	}
}

int tfs_put_json(struct tfs_encoder *c, const json_t *j, bool may_delete,
		 struct volt_error *e)
{
	/* What the tree gives the root, and what would make it something else. */
	static const char *const taken[] = { "children", "mtime", "extents", "filelength",
					     "linktarget" };
	struct put p = { .c = c, .name = "", .may_delete = may_delete, .e = e };

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (json_object_get(j, taken[i]))
			return fail(e, EINVAL,
				    "'%s' cannot be given: it is made of the files",
				    taken[i]);
	if (j && !json_is_object(j))
		return fail(e, EINVAL, "attributes are no JSON object");
	return put_members(&p, j);
}
