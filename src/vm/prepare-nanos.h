/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "guest/nanos-kernel.h"
#include "guest/nanos-plan.h"
#include "rootfs/nanos-base.h"
#include "vm/machine.h"
#include "vm/prepare.h"

/* The disks of Nanos guests. What many machines share is a base, in the cache of root file
 * systems, made of what a plan chose from the image. What is one machine's is an overlay,
 * machines/<id>/disk.qcow2: one record with arguments, environment and addresses, and then
 * whatever the guest writes, as long as the machine lasts. Beside it "disk.json" says which
 * base it lies over; it is written first. */
struct nanos_disk {
	int base; /* -1: not open */
	char name[NANOS_BASE_SIZE];
	struct digest kernel; /* the release it was made with */
	bool kernel_matters;  /* the base has a copy of that kernel */
	json_t *attributes;   /* of the machine's own record */
};
#define NANOS_DISK_INIT    \
	{                  \
		.base = -1 \
	}
void nanos_disk_done(struct nanos_disk *d);

/* The release that @s boots, the default one where it names none. */
int nanos_find_kernel(const struct vm_env *env, const struct spec *s,
		      struct nanos_kernel **ret, struct volt_error *e);

/* Plans the disk of @s and opens its base, made where there is none. What its program lacks,
 * and too little memory, is refused: nanos_plan_make(). */
int nanos_disk_plan(const struct vm_env *env, const struct spec *s,
		    struct nanos_disk *ret, struct volt_error *e);

/* The overlay of a machine that has none. */
int nanos_disk_make(const struct machine *m, const struct nanos_disk *d,
		    struct volt_error *e);

/* What prepare.c leaves to this guest. */
int prepare_nanos(const struct machine *m, const struct spec *s, struct prepared *p,
		  struct volt_error *e);
