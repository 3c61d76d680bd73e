/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/image.h"
#include "lib/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An image's config is merged with a wish, or refused with one line that says why. */
static void merge(const json_t *config, const char *wish_text)
{
	json_auto_t *wish = json_loads(wish_text, 0, NULL);
	struct image img = { .config_json = (json_t *)config };
	_cleanup_(spec_freep) struct spec *s = NULL;
	struct volt_error e = { 0 };

	if (spec_parse(wish, SPEC_WISH, &s, &e) < 0)
		abort();
	if (process_make(s, &img, &e) < 0) {
		if (!e.code || !e.msg[0] || strchr(e.msg, '\n'))
			abort();
		return;
	}
	if (s->process.args.n == 0 || !s->process.cwd || !s->process.user ||
	    s->process.stop_signal <= 0)
		abort();
	strv_foreach(v, s->process.env.v)
		if (!strchr(*v, '='))
			abort();
	strv_foreach(l, s->labels.v)
		if (!strchr(*l, '='))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_auto_t *config = json_loadb((const char *)data, size, 0, NULL);

	if (!config)
		return 0;
	merge(config, "{\"image\":{\"ref\":\"i\"}}");
	merge(config, "{\"image\":{\"ref\":\"i\"},\"cmd\":[\"x\"],\"tty\":true,"
		      "\"labels\":{\"a\":\"b\"},\"env\":[\"A=b\"]}");
	return 0;
}
