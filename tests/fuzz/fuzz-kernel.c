/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "guest/image.h"
#include "guest/kernel-json.h"
#include "guest/modules.h"
#include "guest/nanos-check.h"
#include "guest/nanos-release.h"

/* What `volt kernel import` takes apart: kernel images and modules, and releases of Nanos,
 * as files and as an archive; and what it writes down of them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_files(const char *data, size_t size)
{
	static const char *const paths[] = { NANOS_KERNEL, NANOS_BOOT, NANOS_UEFI,
					     NANOS_KLIBS "/x" };
	char commit[NANOS_COMMIT_SIZE];

	for (size_t k = 0; k < ARRAY_SIZE(paths); k++)
		(void)nanos_file_check(paths[k], data, size, NULL);
	(void)nanos_kernel_commit(data, size, commit);
}

static void take_archive(const char *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create("release", MFD_CLOEXEC);
	struct nanos_release r = { 0 };

	if (fd < 0 || write_all(fd, data, size) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return;
	(void)nanos_release_unpack(fd, &r, NULL);
	nanos_release_done(&r);
}

static void take_record(const char *data, size_t size)
{
	struct kernel_record k = { 0 };
	json_t *j = NULL;

	if (json_parse(data, size, "kernel.json", &j, NULL) == 0 &&
	    kernel_record_parse(j, "k", &k, NULL) == 0)
		kernel_record_done(&k);
	json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kernel_image k;
	char *copy = malloc(size + 1), *depends;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	if (module_depends(copy, size, &depends) == 0)
		free(depends);
	take_files(copy, size);
	take_archive(copy, size);
	take_record(copy, size);
	if (kernel_image_take(copy, size, "k", &k, NULL) == 0)
		kernel_image_done(&k);
	return 0;
}
