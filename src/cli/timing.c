/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/timing.h"

#include <stdio.h>

#include "base/macro.h"
#include "cli/print.h"
#include "cli/select.h"

/* In the order in which they happen; what each one has brought. */
static const struct {
	const char *name, *done;
} phases[] = {
	{ "resolve", "image, kernel and QEMU found" },
	{ "rootfs", "root file system ready" },
	{ "network", "helpers up, ports bound" },
	{ "qemu", "QEMU answers" },
	{ "kernel", "kernel booted, init runs" },
	{ "init", "workload started" },
	{ "workload", "its first output" },
};

json_t *timing_take(struct volt_machine *m)
{
	json_auto_t *j = NULL;

	if (inspect_machine(m, &j, NULL) < 0)
		return NULL;
	return json_incref(json_object_get(json_object_get(j, "state"), "phases"));
}

void timing_print(const json_t *list)
{
	int64_t begin = member_int(list, "begin"), last = begin;

	(void)fprintf(stderr, "%-10s %10s %10s\n", "PHASE", "TOOK", "AT");
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		int64_t at = member_int(list, phases[i].name);

		if (!at)
			continue;
		(void)fprintf(stderr, "%-10s %7.1f ms %7.1f ms  %s\n", phases[i].name,
			      (double)(at - last) / 1e6, (double)(at - begin) / 1e6,
			      phases[i].done);
		last = at;
	}
}
