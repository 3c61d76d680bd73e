/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/macro.h"
#include "profile/kvm.h"

/* A profile is a QEMU made for a purpose. For now each is the host's own package; what
 * the rest of volt sees stays the same when profiles come from the store. */
enum profile_name {
	PROFILE_KVM_LINUX,      /* headless, virtio only */
	PROFILE_KVM_UEFI,       /* Windows and whatever else boots by UEFI */
	PROFILE_EMULATE_X86,    /* x86_64 and i386 by TCG */
	PROFILE_EMULATE_FOREIGN /* every other architecture by TCG */
};

enum profile_mode {
	PROFILE_AUTO,           /* KVM where accel_choose() finds it usable */
	PROFILE_HYBRID_KVM,     /* KVM always */
	PROFILE_HYBRID_EMULATED /* TCG always */
};

enum profile_os {
	PROFILE_OS_LINUX,
	PROFILE_OS_NANOS,
	PROFILE_OS_WINDOWS, /* UEFI */
	PROFILE_OS_UEFI     /* a disk with a boot loader of its own */
};

/* Words and back. -EINVAL with a message that lists the known words. NULL is not known. */
int profile_name_parse(const char *word, enum profile_name *ret, struct volt_error *e);
int profile_mode_parse(const char *word, enum profile_mode *ret, struct volt_error *e);
int profile_os_parse(const char *word, enum profile_os *ret, struct volt_error *e);
const char *profile_name_text(enum profile_name n);
const char *profile_mode_text(enum profile_mode m);
const char *profile_os_text(enum profile_os os);

/* An architecture that QEMU emulates. Guests' architectures reach paths and argument lists
 * only as members of this table. */
struct profile_arch {
	const char *name;    /* volt's word: "x86_64", "arm64", … */
	const char *qemu;    /* qemu-system-<this> */
	const char *package; /* Debian's, that has it */
	const char *runs_on; /* the host architecture whose KVM runs it, or NULL */
};

/* @word is volt's word, the kernel's or Go's ("arm64", "aarch64"); NULL is the host's.
 * NULL if it is not known. */
const struct profile_arch *profile_arch_find(const char *word);

bool profile_arch_runs_on(const struct profile_arch *guest,
			  const struct profile_arch *host); /* by KVM */

struct profile_choice {
	enum profile_mode mode;
	enum profile_os os;
	const struct profile_arch *guest, *host;
	bool kvm_usable; /* counts with PROFILE_AUTO only */
};

/* -ENOTSUP where KVM is asked for and the host does not run the guest's architecture. */
int profile_select(const struct profile_choice *c, enum profile_name *ret,
		   struct volt_error *e);

enum profile_capability {
	PROFILE_CAN_KVM = 1 << 0,
	PROFILE_CAN_TCG = 1 << 1,
	PROFILE_CAN_UEFI = 1 << 2,
	PROFILE_CAN_MICROVM = 1 << 3,
	PROFILE_CAN_VIRTIOFS = 1 << 4
};

struct profile {
	enum profile_name name;
	const struct profile_arch *arch;
	char *qemu;     /* absolute path of qemu-system-<arch> */
	char *firmware; /* directory for -L */
	char *uefi_code; /* PROFILE_CAN_UEFI: flash image, and the template for variables */
	char *uefi_vars;
	char *virtiofsd; /* PROFILE_CAN_VIRTIOFS: absolute path */
	unsigned int capabilities;
};

struct profile_wish {
	enum profile_name name;
	const struct profile_arch *arch;
	unsigned int need; /* capabilities beyond those that the name implies */
};

/* Finds the QEMU that was wished for; @bindir (NULL: the host's) is looked in for it alone,
 * which is for tests and for QEMUs somebody built. Runs nothing. What is missing is
 * -ENOENT, with the package that has it, or -ENOTSUP. */
int profile_resolve(const struct profile_wish *w, const char *bindir,
		    struct profile **ret, struct volt_error *e);
void profile_free(struct profile *p);
DEFINE_CLEANUP(struct profile *, profile_free)

/* "7.2.22", by running it (about 25 ms: not for every start). The caller frees. */
int profile_version(const struct profile *p, char **ret, struct volt_error *e);
