/* SPDX-License-Identifier: Apache-2.0 */

#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/io.h"

int json_parse(const char *text, size_t size, const char *what, json_t **ret,
	       struct volt_error *e)
{
	json_error_t je;
	json_t *j = json_loadb(text, size, JSON_REJECT_DUPLICATES, &je);

	if (!j)
		return fail(e, EBADMSG, "parse %s: line %d column %d: %s", what, je.line,
			    je.column, je.text);
	*ret = j;
	return 0;
}

int json_read_at(int dirfd, const char *path, json_t **ret, struct volt_error *e)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	r = read_file_at(dirfd, path, JSON_FILE_MAX, &text, &size);
	if (r < 0)
		return fail_code(e, r, "read '%s'", path);
	return json_parse(text, size, path, ret, e);
}

int json_write_at(int dirfd, const char *name, const json_t *j, mode_t mode,
		  struct volt_error *e)
{
	_cleanup_free_ char *text = json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS);
	int r;

	if (!text)
		return fail_oom(e);
	r = write_file_atomic(dirfd, name, text, strlen(text), mode);
	return r < 0 ? fail_code(e, r, "write '%s'", name) : 0;
}

char *json_text(const json_t *j)
{
	return json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

/* The length of the character in UTF-8 that @p begins with; 0 if it is none that JSON text
 * can have here. */
static size_t character(const unsigned char *p, size_t size)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *p < 0x80 ? 1 : *p < 0xc0 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
	uint32_t c = n > 1 ? *p & (0x7fu >> n) : *p;

	if (n == 0 || n > size || *p > 0xf4 || *p == '\0')
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

char *json_readable(const char *text, size_t size)
{
	_cleanup_free_ char *ret = malloc(4 * size + 1);
	char *to = ret;

	if (!ret)
		return NULL;
	for (size_t i = 0; i < size;) {
		size_t n = character((const unsigned char *)text + i, size - i);

		if (n == 0)
			to += sprintf(to, "\\x%02x", (unsigned char)text[i]);
		for (size_t k = 0; k < n; k++)
			*to++ = text[i + k];
		i += n > 0 ? n : 1;
	}
	*to = '\0';
	return TAKE_PTR(ret);
}

json_t *json_bytes(const char *text, size_t size)
{
	_cleanup_free_ char *copy = json_readable(text, size);

	return copy ? json_string(copy) : NULL;
}

/* The member, or NULL when it is absent; null counts as absent. */
static json_t *member(const json_t *j, const char *key)
{
	json_t *m = json_object_get(j, key);

	return json_is_null(m) ? NULL : m;
}

static int wrong_type(struct volt_error *e, const char *key, const char *want)
{
	return fail(e, EINVAL, "member '%s' must be %s", key, want);
}

int json_get_string(const json_t *j, const char *key, const char **ret,
		    struct volt_error *e)
{
	json_t *m = member(j, key);

	if (m && !json_is_string(m))
		return wrong_type(e, key, "a string");
	if (m && strlen(json_string_value(m)) != json_string_length(m))
		return wrong_type(e, key, "a string without NUL");
	if (m)
		*ret = json_string_value(m);
	return 0;
}

int json_get_bool(const json_t *j, const char *key, bool *ret, struct volt_error *e)
{
	json_t *m = member(j, key);

	if (m && !json_is_boolean(m))
		return wrong_type(e, key, "true or false");
	if (m)
		*ret = json_is_true(m);
	return 0;
}

int json_get_int(const json_t *j, const char *key, int64_t min, int64_t max, int64_t *ret,
		 struct volt_error *e)
{
	json_t *m = member(j, key);
	json_int_t value = json_integer_value(m);

	if (m && !json_is_integer(m))
		return wrong_type(e, key, "an integer");
	if (m && (value < min || value > max))
		return fail(e, EINVAL,
			    "member '%s' must be from %" PRId64 " to %" PRId64
			    ", not %" PRId64,
			    key, min, max, (int64_t)value);
	if (m)
		*ret = value;
	return 0;
}

int json_get_array(const json_t *j, const char *key, json_t **ret, struct volt_error *e)
{
	json_t *m = member(j, key);

	if (m && !json_is_array(m))
		return wrong_type(e, key, "an array");
	if (m)
		*ret = m;
	return 0;
}

int json_get_object(const json_t *j, const char *key, json_t **ret, struct volt_error *e)
{
	json_t *m = member(j, key);

	if (m && !json_is_object(m))
		return wrong_type(e, key, "an object");
	if (m)
		*ret = m;
	return 0;
}

int json_only(const json_t *j, const char *what, const char *const *known,
	      struct volt_error *e)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)j, key, value) {
		const char *const *k = known;

		while (*k && strcmp(*k, key) != 0)
			k++;
		if (!*k)
			return fail(e, EINVAL, "%s has an unknown member '%s'", what,
				    key);
	}
	return 0;
}
