/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vm/disk.h"

/* The first bytes of a disk image. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = size < DISK_HEAD_SIZE ? size : DISK_HEAD_SIZE;
	struct disk_info info = { 0 };
	uint8_t *head = malloc(n + 1); /* no byte more than there is */

	if (!head)
		return 0;
	memcpy(head, data, n);
	if (disk_examine("d", head, n, size, &info, NULL) == 0 &&
	    (info.format == DISK_UNKNOWN || info.size < DISK_SIZE_MIN))
		abort();
	free(head);
	return 0;
}
