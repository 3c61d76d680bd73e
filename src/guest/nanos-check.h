/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "volt.h"

/* What a release of Nanos may hold, by its path in there. */
#define NANOS_KERNEL "kernel.img"
#define NANOS_BOOT   "boot.img"
#define NANOS_UEFI   "bootx64.efi"
#define NANOS_KLIBS  "klibs"

#define NANOS_FILES_MAX 131 /* with 128 klibs */

/* How large the file @path of a release may be; 0: none of those that volt takes. */
size_t nanos_file_max(const char *path);

/* Whether @data is what @path says: a kernel, a boot loader, a klib. -ENOTSUP names it. */
int nanos_file_check(const char *path, const char *data, size_t size,
		     struct volt_error *e);

/* The commit that the kernel was built from, which it has in it as 40 digits. */
#define NANOS_COMMIT_SIZE 41
bool nanos_kernel_commit(const char *data, size_t size,
			 char ret[static NANOS_COMMIT_SIZE]);
