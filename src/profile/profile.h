/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/digest.h"
#include "base/macro.h"
#include "profile/kvm.h"

struct log;
struct store;

/* A profile is a QEMU made for a purpose: a program with its loader, libraries and firmware,
 * in the store as a manifest (profile/manifest.h), assembled as a tree. */
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
	PROFILE_CAN_VIRTIOFS = 1 << 4,
	PROFILE_CAN_TPM = 1 << 5,
	PROFILE_CAN_VNC = 1 << 6
};

/* Where profiles come from. All borrowed. */
struct profiles {
	int rootfd;          /* volt's root */
	struct store *store; /* NULL: the host's own QEMU, as it is installed */
	const char *bindir;  /* QEMU is there and nowhere else: for tests, and for QEMUs
			      * that somebody is working on; or NULL */
	const struct log *log;
};

/* A QEMU that can be started. Either all of it is in one tree, with its loader, libraries and
 * firmware, or (root is -1) it is a program of the host's. */
struct profile {
	char *name;                      /* "kvm-linux", … or what it was built as */
	const struct profile_arch *arch; /* the guest's */
	struct digest digest;            /* of its content */
	int root;                        /* of its tree, O_PATH; or -1 */
	int lock;                        /* while it is open, nobody removes the tree */
	char *path;                      /* of the tree: absolute; NULL with root -1 */
	char *qemu;                      /* below the tree; with root -1 absolute */
	char *loader;                    /* below the tree, or NULL: it needs none */
	char *firmware;                  /* likewise; with root -1 absolute */
	char *uefi_code, *uefi_vars; /* likewise: flash image, template for variables */
	char *virtiofsd;             /* the host's, absolute; NULL: none */
	char *version;               /* QEMU's, "7.2.22"; NULL: not known */
	unsigned int capabilities;
};

struct profile_wish {
	enum profile_name name;
	const struct profile_arch *arch; /* NULL: one that @given has */
	unsigned int need; /* capabilities beyond those that the name implies */
	/* Not NULL: this profile, whatever @name is: as it was built, or one version of it
	 * ("kvm-linux-0a1b2c3d"). What is not there is not built. */
	const char *given;
};

/* Finds the QEMU that was wished for. One that is in the store is assembled if it is not
 * yet, one that is not is built from the host's packages, with a line in the log. Runs
 * nothing. What is missing is -ENOENT, with what to do, or -ENOTSUP. */
int profile_resolve(const struct profiles *ps, const struct profile_wish *w,
		    struct profile **ret, struct volt_error *e);
void profile_free(struct profile *p);
DEFINE_CLEANUP(struct profile *, profile_free)

/* "7.2.22": what is known, or, of a host's QEMU, by running it (about 25 ms: not for every
 * start). The caller frees. */
int profile_version(const struct profile *p, char **ret, struct volt_error *e);
