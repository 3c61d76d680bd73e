/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volt.h"

#include "profile/profile.h"
#include "vm/pins.h"
#include "vm/volume-disks.h"

/* What the process that starts a machine found in the store and the supervisor, which has
 * no store, works with for all its runs: so another version of a profile, built or removed
 * meanwhile, is none of a running machine's business. */
struct handover {
	struct pins pins;            /* the kernel's part */
	struct profile *kvm;         /* NULL: not to be had, or not wanted */
	struct profile *emulate;     /* the same */
	struct volume_disks volumes; /* those that are disks */
};
#define HANDOVER_INIT \
	{             \
		0     \
	}
void handover_done(struct handover *h);

static inline struct profile *handover_profile(const struct handover *h, enum accel accel)
{
	return accel == ACCEL_KVM ? h->kvm : h->emulate;
}

/* Sets the profile's part. -ENOMEM. */
int handover_pin(struct handover *h, const struct profile *p);

/* As a document in memory, read by handover_read() in a process that inherits it and what
 * the profiles hold open, and the disks, at the same numbers. Returns its descriptor. */
int handover_write(const struct handover *h, struct volt_error *e);
int handover_read(int fd, struct handover *ret, struct volt_error *e);
