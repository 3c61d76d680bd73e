/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "volt.h"

/* Whether this host's KVM runs guests, found out by running one: a /dev/kvm that opens is
 * no proof. Accelerators are chosen here and nowhere else. */
enum accel {
	ACCEL_AUTO,
	ACCEL_KVM,
	ACCEL_TCG
};

#define KVM_WHY_SIZE 256
struct kvm_verdict {
	bool usable;
	char why[KVM_WHY_SIZE]; /* one line: what was found, and what to do if not usable */
};

/* @runfd is volt's run directory: the verdict of the tiny guest is kept there for the rest
 * of the boot, so that only the first machine pays for it (40 ms where KVM is in trouble,
 * 1-2 ms elsewhere). With @fresh, or @runfd -1, it runs anew. An unusable KVM
 * is a verdict, not an error. */
int kvm_probe(int runfd, bool fresh, struct kvm_verdict *ret, struct volt_error *e);

/* Makes KVM or TCG of @wish for guests of @guest_arch (volt's word, NULL: the host's).
 * AUTO takes KVM where it is usable for that architecture; KVM where it is not is -ENOTSUP
 * with the reason. @note: "" for KVM, else one line saying why it is TCG. */
int accel_choose(enum accel wish, const char *guest_arch, int runfd, enum accel *ret,
		 char note[static KVM_WHY_SIZE], struct volt_error *e);
