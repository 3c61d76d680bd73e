/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vm/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A line that a client sends to a supervisor. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *command = NULL;
	struct volt_error e = { 0 };
	json_t *j = NULL;

	if (control_parse((const char *)data, size, &j, &command, &e) == 0) {
		if (!j || !command || strlen(command) > size)
			abort();
	} else if (j || !e.code || !e.msg[0]) {
		abort();
	}
	json_decref(j);
	return 0;
}
