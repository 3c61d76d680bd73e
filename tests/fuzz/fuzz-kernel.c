/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guest/image.h"
#include "guest/modules.h"

/* What `volt kernel import` takes apart: kernel images and modules. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kernel_image k;
	char *copy = malloc(size + 1), *depends;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	if (module_depends(copy, size, &depends) == 0)
		free(depends);
	if (kernel_image_take(copy, size, "k", &k, NULL) == 0)
		kernel_image_done(&k);
	return 0;
}
