/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "store/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ref(const char *text, size_t size)
{
	struct volt_error e = { 0 };
	json_auto_t *j = NULL;
	struct digest d;
	const char *key;
	json_t *value;
	size_t i;

	if (json_parse(text, size, "input", &j, &e) < 0)
		return;
	if (ref_check(j, "input", &e) < 0) {
		if (!e.code || !e.msg[0] || strchr(e.msg, '\n'))
			abort();
		return;
	}
	/* What passes is used as digests without another look. */
	json_object_foreach(json_object_get(j, "objects"), key, value)
		if (digest_parse(json_string_value(value), &d) < 0)
			abort();
	json_array_foreach(json_object_get(j, "lists"), i, value)
		if (digest_parse(json_string_value(value), &d) < 0)
			abort();
}

static void check_list(const char *data, size_t size)
{
	_cleanup_free_ struct digest *v = NULL;
	size_t i, n = 0;

	if (object_list_parse(data, size, &v, &n) < 0)
		return;
	if (n * sizeof(*v) + strlen(OBJECT_LIST_MAGIC) != size)
		abort();
	for (i = 1; i < n; i++)
		if (digest_compare(&v[i - 1], &v[i]) >= 0)
			abort();
}

/* The two things that say what stays alive: a ref, and a list of objects. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_ref((const char *)data, size);
	check_list((const char *)data, size);
	return 0;
}
