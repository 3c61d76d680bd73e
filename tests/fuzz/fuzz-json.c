/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever the text is, the parser answers with a document or one printable line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const known[] = { "version", "name", "limit", NULL };
	struct volt_error e = { 0 };
	json_auto_t *j = NULL;
	const char *name = NULL;
	int64_t limit = 0;

	if (json_parse((const char *)data, size, "input", &j, &e) < 0) {
		if (!e.code || !e.msg[0] || strchr(e.msg, '\n'))
			abort();
		return 0;
	}
	(void)json_get_string(j, "name", &name, &e);
	(void)json_get_int(j, "limit", 0, 1000, &limit, &e);
	if (limit < 0 || limit > 1000)
		abort();
	(void)json_only(j, "input", known, &e);
	return 0;
}
