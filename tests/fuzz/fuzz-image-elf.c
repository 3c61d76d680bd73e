/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "image/elf-closure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A program that is to become an image, and the loader's cache. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create("program", MFD_CLOEXEC);
	_cleanup_strv_ struct strv paths = { 0 };
	_cleanup_elf_ struct elf_file f = { 0 };
	struct volt_error e = { 0 };
	char path[64];

	if (fd < 0 || pwrite_all(fd, data, size, 0) < 0)
		abort();
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (elf_file_read(path, &f, &e) == 0)
		(void)elf_file_platform(&f);
	else if (!e.code || !e.msg[0])
		abort();
	(void)ld_cache_find((const char *)data, size, "libc.so.6", &paths);
	return 0;
}
