/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "profile/profile.h"

/* What the files of this layer share with each other and with its tests. */

/* A tiny guest, run to the end or not. */
struct kvm_run_result {
	const char *missing; /* a capability that QEMU needs, or NULL; lives forever */
	int error;           /* negative errno of @step, or 0 */
	const char *step;    /* what was attempted; a string that lives forever */
	int exit_reason;     /* KVM's, if not the one expected; else -1 */
	int suberror;        /* of KVM_EXIT_INTERNAL_ERROR */
	int64_t compute;  /* ns of CPU time for KVM_COMPUTE_ROUNDS; -1: not got there */
	int64_t switches; /* ns of CPU time for KVM_SWITCH_ROUNDS; -1: not got there */
};

/* A healthy CPU computes for 10-20 us and one whose guests' kernels are interpreted for
 * 20-30 ms; a switch with its exception takes 0.2-1 us natively, 2-60 us with shadow
 * page tables or one level of nesting. The limits lie a decade or more from both. */
#define KVM_COMPUTE_ROUNDS 10000
#define KVM_COMPUTE_LIMIT  3000000 /* ns */
#define KVM_SWITCH_ROUNDS  200
#define KVM_SWITCH_LIMIT   100000000 /* ns */

/* The name of the first capability that QEMU cannot do without and KVM has not, or NULL.
 * @check answers as KVM_CHECK_EXTENSION does: not above 0 is no. */
typedef int (*kvm_check_fn)(int kvm, int capability);
const char *kvm_missing(kvm_check_fn check, int kvm);

/* Runs it on @kvm, an open /dev/kvm. Makes no lasting change to the process, but may never
 * return where KVM hangs: the caller runs it in a child. */
void kvm_guest_run(int kvm, struct kvm_run_result *ret);

/* Runs @fn in a child that has @time_limit ms, and judges. 1: the verdict is good for the
 * rest of the boot, 0: it is not. */
typedef void (*kvm_guest_fn)(int kvm, struct kvm_run_result *ret);
int kvm_run_in_child(kvm_guest_fn fn, int kvm, int time_limit, struct kvm_verdict *ret);

/* Turns what a tiny guest did into a verdict. */
void kvm_judge(const struct kvm_run_result *res, struct kvm_verdict *ret);

/* The host's own QEMU, in @bindir or (NULL) among its files below @root ("": as they are). */
int profile_resolve_host(const char *root, const char *bindir,
			 const struct profile_wish *w, struct profile **ret,
			 struct volt_error *e);

/* What a profile of that name has to have. */
unsigned int profile_implies(enum profile_name name);

/* -ENOENT or -ENOTSUP with what to do, unless @p has all of @need. */
int profile_check_needs(const struct profile *p, unsigned int need, struct volt_error *e);

/* Sets virtiofsd, and takes away the capability that comes with it where there is none. */
int profile_find_virtiofsd(const char *root, struct profile *p, struct volt_error *e);

struct profile *profile_new(const char *name, const struct profile_arch *arch);

/* profile_build_host() with the host's files below @root. */
struct profile_manifest;
int profile_build_below(const char *root, const struct profiles *ps,
			enum profile_name name, struct profile_manifest **ret,
			struct volt_error *e);
