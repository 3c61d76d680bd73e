/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "lib/internal.h"

int document_parse(const char *text, const char *const *known, json_t **ret,
		   struct volt_error *e)
{
	json_auto_t *j = NULL;
	int r;

	r = text ? json_parse(text, strlen(text), "options", &j, e) : 0;
	if (r < 0)
		return r;
	if (!text)
		j = json_object();
	if (!j)
		return fail_oom(e);
	if (!json_is_object(j))
		return fail(e, EINVAL, "options are not a JSON object");
	r = json_only(j, "options", known, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(j);
	return 0;
}

int document_list(const json_t *j, const char *key, const char *const **ret,
		  struct volt_error *e)
{
	_cleanup_free_ const char **list = NULL;
	json_t *items = NULL, *item;
	size_t i;
	int r;

	r = json_get_array(j, key, &items, e);
	if (r < 0)
		return r;
	*ret = NULL;
	if (!items)
		return 0;
	list = calloc(json_array_size(items) + 1, sizeof(*list));
	if (!list)
		return fail_oom(e);
	json_array_foreach(items, i, item) {
		list[i] = json_string_value(item);
		if (!list[i])
			return fail(e, EINVAL, "'%s' holds something that is no string",
				    key);
	}
	*ret = TAKE_PTR(list);
	return 0;
}

int answer(int r, json_t *j, char **ret, struct volt_error *e)
{
	json_auto_t *owned = j;
	char *text;

	if (r < 0 || !ret)
		return r;
	/* Members in the order in which they were set: no time for sorting, and better to
	 * read. */
	text = owned ? json_dumps(owned, JSON_COMPACT) : NULL;
	if (!text)
		return fail_oom(e);
	*ret = text;
	return r;
}
