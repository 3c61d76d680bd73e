/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/error.h"

/* The modules a machine may need, out of a directory lib/modules/<release>. */
struct module {
	char *name; /* "virtio_blk" */
	const char *
		when; /* static: "boot", or the file system it is for (guest-init/module.h) */
	char *data; /* unpacked; owned */
	size_t size;
};

struct modules {
	struct module *v; /* in the order to load them: what one needs stands before it */
	size_t n;
	unsigned int abilities; /* enum kernel_ability, of modules and what is built in */
};

/* Reads modules.order and modules.builtin; needs no modules.dep: packages do not have it,
 * so what a module needs is read from the module. -ENOTSUP: lacks what every machine
 * needs. */
int modules_read(int dirfd, struct modules *ret, struct volt_error *e);
void modules_done(struct modules *m);

/* "depends" of a module's .modinfo, comma-separated, or "" if it has none; the caller
 * frees. -EBADMSG: not a module. */
int module_depends(const char *data, size_t size, char **ret);
