/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/spec-member.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "vm/internal.h"
#include "vm/signals.h"

#define STRINGS_MAX (2u << 20) /* Linux refuses more of them together */

bool spec_has(const json_t *j, const char *key)
{
	const json_t *m = json_object_get(j, key);

	return m && !json_is_null(m);
}

int spec_get_text(const json_t *j, const char *key, char **ret, struct volt_error *e)
{
	const char *text = NULL;

	TRY(json_get_string(j, key, &text, e));
	if (!text)
		return 0;
	if (strlen(text) > SPEC_STRING_MAX)
		return fail(e, EINVAL, "member '%s' is longer than %u bytes", key,
			    SPEC_STRING_MAX);
	free(*ret);
	*ret = strdup(text);
	return *ret ? 0 : fail_oom(e);
}

int spec_get_choice(const json_t *j, const char *key, const char *const *texts, size_t n,
		    unsigned int *ret, struct volt_error *e)
{
	const char *text = NULL;

	TRY(json_get_string(j, key, &text, e));
	if (!text)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(texts[i], text) == 0) {
			*ret = (unsigned int)i;
			return 0;
		}
	}
	return fail(e, EINVAL, "member '%s' has the unknown value '%s'", key, text);
}

int spec_get_strings(const json_t *j, const char *key, struct strv *ret, bool *ret_given,
		     struct volt_error *e)
{
	json_t *list = NULL, *item;
	size_t i, total = 0;

	TRY(json_get_array(j, key, &list, e));
	if (ret_given)
		*ret_given = list != NULL;
	json_array_foreach(list, i, item) {
		const char *text = json_string_value(item);

		if (!text || strlen(text) != json_string_length(item))
			return fail(e, EINVAL, "member '%s' must hold strings only", key);
		total += strlen(text) + 1;
		if (strlen(text) > SPEC_STRING_MAX || total > STRINGS_MAX)
			return fail(e, EINVAL, "member '%s' is too long", key);
		if (strv_add(ret, text) < 0)
			return fail_oom(e);
	}
	return 0;
}

int spec_get_env(const json_t *j, const char *key, struct strv *ret, struct volt_error *e)
{
	TRY(spec_get_strings(j, key, ret, NULL, e));
	strv_foreach(v, ret->v) {
		const char *equals = strchr(*v, '=');

		if (!equals || equals == *v)
			return fail(e, EINVAL, "environment '%.100s' must be NAME=VALUE",
				    *v);
	}
	return 0;
}

int spec_get_signal(const json_t *j, int *ret, struct volt_error *e)
{
	const char *text = NULL;

	TRY(json_get_string(j, "stop_signal", &text, e));
	if (text && signal_parse(text, ret) < 0)
		return fail(e, EINVAL, "stop signal '%s' is not a signal", text);
	return 0;
}

int spec_get_digest(const json_t *j, const char *key, bool required, struct digest *ret,
		    struct volt_error *e)
{
	const char *text = NULL;

	TRY(json_get_string(j, key, &text, e));
	if (!text)
		return required ? fail(e, EINVAL, "image has no '%s'", key) : 0;
	if (digest_parse_oci(text, ret) < 0)
		return fail(e, EINVAL, "image's '%s' is not a sha256 digest", key);
	return 0;
}

int spec_get_uint(const json_t *j, const char *key, int64_t max, unsigned int *ret,
		  struct volt_error *e)
{
	int64_t value = *ret;

	TRY(json_get_int(j, key, 0, max, &value, e));
	*ret = (unsigned int)value;
	return 0;
}
