/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "vm/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int answers;

static void on_ready(void *data)
{
	struct qmp **q = data;

	(void)qmp_call(*q, "again", NULL, 0, NULL, NULL);
}

static void on_event(void *data, const char *name, const json_t *info)
{
}

static void on_done(void *data, const json_t *result, const struct volt_error *error)
{
	answers++;
	if (result && error)
		abort();
}

/* What a QEMU may say that has fallen to its guest. The first byte cuts it in pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct qmp_ops ops = { .ready = on_ready, .event = on_event };
	size_t piece = size ? data[0] + 1u : 1, unsent;
	struct qmp *q = NULL;

	answers = 0;
	if (qmp_new(-1, NULL, &ops, &q, &q, NULL) < 0)
		return 0;
	(void)qmp_call(q, "query-status", NULL, 0, on_done, NULL);
	for (size_t at = 1; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		if (qmp_feed(q, (const char *)data + at, n) < 0)
			break;
	}
	(void)qmp_unsent(q, &unsent);
	qmp_free(q);
	if (answers != 1)
		abort();
	return 0;
}
