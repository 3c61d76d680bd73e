/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* A kernel image file: what QEMU's -kernel takes. */
#define KERNEL_RELEASE_SIZE 128

struct kernel_image {
	char *data; /* owned */
	size_t size;
	const char *arch; /* volt's word; static */
	char release[KERNEL_RELEASE_SIZE];
	bool pvh; /* an ELF file that QEMU enters directly */
};

/* Takes @data over (also on failure) and finds out what it is. A bzImage becomes the ELF
 * file inside of it where that can be entered by PVH: the guest need not unpack it at each
 * boot. -ENOTSUP: not a kernel that volt knows. @name is the file's, for messages and for
 * the release where the image itself does not tell ("vmlinuz-<release>"). */
int kernel_image_take(char *data, size_t size, const char *name, struct kernel_image *ret,
		      struct volt_error *e);
void kernel_image_done(struct kernel_image *k);

/* Whether it is an ELF file that says by a note where QEMU enters it (PVH). */
bool kernel_elf_is_pvh(const char *data, size_t size);
