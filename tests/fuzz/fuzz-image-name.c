/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/find.h"
#include "image/name.h"
#include "image/platform.h"
#include "image/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken as a name must say the same when it is read again. */
static void check_name(const char *text)
{
	_cleanup_(image_name_freep) struct image_name *n = NULL, *again = NULL;
	_cleanup_free_ char *full = NULL, *full_again = NULL;
	struct volt_error e = { 0 };

	if (image_name_parse(text, &n, &e) < 0) {
		if (!e.code || !e.msg[0] || strchr(e.msg, '\n'))
			abort();
		return;
	}
	full = image_name_text(n);
	if (!full || *full == '-' || image_name_parse(full, &again, &e) < 0)
		abort();
	full_again = image_name_text(again);
	if (!full_again || strcmp(full, full_again) != 0 || again->short_name)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);
	_cleanup_(source_freep) struct source *s = NULL;
	char *names[2] = { NULL, NULL };

	if (!text)
		return 0;
	check_name(text);
	(void)source_parse(text, &s, NULL);
	(void)platform_find(text);
	if (find_candidates(text, names, NULL) == 0) {
		free(names[0]);
		free(names[1]);
	}
	return 0;
}
