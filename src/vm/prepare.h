/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vm/handover.h"
#include "vm/machine.h"

/* The part of a start that needs the store, done by the process that asks for it, so that
 * the supervisor stays small: it gets descriptors, and keeps them for every restart. */
struct prepared {
	int kernel, initramfs;
	int root; /* the root file system, or the disk that is booted; of Nanos, the base */
	int upper; /* what is written over it; -1: that is in memory, or there is none */
	unsigned int abilities; /* enum kernel_ability */
	int64_t rootfs;         /* CLOCK_BOOTTIME when all was there */
	struct handover given;
};
#define PREPARED_INIT                                                  \
	{                                                              \
		.kernel = -1, .initramfs = -1, .root = -1, .upper = -1 \
	}

/* A profile that is not there is built from the host's QEMU, which takes a second or two,
 * once, and is logged. */
int machine_prepare(struct machine *m, struct prepared *ret, struct volt_error *e);
void prepared_done(struct prepared *p);

/* What a start of @s would lack: kernel, init or QEMU. */
int prepare_check(const struct vm_env *env, const struct spec *s, struct volt_error *e);

/* The kernel and the QEMU that @s would be started with now. */
int prepare_pins(const struct vm_env *env, const struct spec *s, struct pins *ret,
		 struct volt_error *e);
