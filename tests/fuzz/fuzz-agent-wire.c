/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guest/agent-wire.h"

/* What a guest may send. The first byte says in how large pieces it comes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct wire_message *m)
{
	struct wire_text phase;
	enum agent_tag tag;
	volatile char last;
	int64_t number;

	if (m->data.size > 0)
		last = m->data.data[m->data.size - 1];
	if (m->kernel.size > 0)
		last = m->kernel.data[m->kernel.size - 1];
	(void)last;
	while (m->type == AGENT_TIMING)
		if (wire_timing(m, &phase, &number) <= 0)
			break;
	while (m->type == AGENT_REPLY)
		if (wire_stat(m, &tag, &number) <= 0)
			break;
}

static int take(struct wire_in *in, const uint8_t *data, size_t size)
{
	struct wire_message m;
	size_t room;
	void *at;
	int r;

	if (wire_in_space(in, &at, &room) < 0 || room < size)
		abort();
	memcpy(at, data, size);
	wire_in_came(in, size);
	while ((r = wire_next(in, &m)) > 0)
		use(&m);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_in in = { 0 };
	size_t step = size > 0 ? data[0] + 1u : 1, n;

	for (size_t at = 1; at < size; at += n) {
		n = size - at < step ? size - at : step;
		if (take(&in, data + at, n) < 0)
			break;
	}
	wire_in_done(&in);
	return 0;
}
