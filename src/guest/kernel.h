/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/log.h"
#include "base/macro.h"
#include "store/store.h"

/* Guest kernels: kernels/<name>/ holds the kernel, an initramfs with volt's init and the
 * modules a machine needs, and kernel.json (doc/formats.md). The contents are objects of
 * the store, kept by refs of kind "kernels". A name is absent or complete; what runs keeps
 * what it has open. */
struct kernels {
	int rootfd;          /* volt's root; borrowed */
	struct store *store; /* borrowed */
	const char *init;    /* path of volt's init for that architecture; borrowed. NULL
			      * where no initramfs is needed: list, remove, default */
	const char *ops;     /* where ops keeps Nanos; borrowed. NULL: do not look */
	const struct log *log; /* told when something is imported from there; or NULL */
};

/* What kind of guest a kernel is for. */
#define KERNEL_LINUX "linux"
#define KERNEL_NANOS "nanos"

/* What a kernel can do, built in or by a module in its initramfs. */
enum kernel_ability {
	KERNEL_PVH = 1 << 0, /* x86: QEMU enters it directly, needs no firmware */
	KERNEL_PCI = 1 << 1,
	KERNEL_MMIO = 1 << 2, /* virtio-mmio, on a PC without ACPI: a microvm */
	KERNEL_EXT4 = 1 << 3,
	KERNEL_9P = 1 << 4,
	KERNEL_VIRTIOFS = 1 << 5
};

struct kernel {
	const char *guest;                    /* KERNEL_LINUX or KERNEL_NANOS */
	char *name, *arch, *release, *source; /* arch is volt's word; source: how made */
	char *created_at;                     /* RFC 3339 */
	unsigned int abilities;
	uint64_t size;   /* bytes in all */
	bool is_default; /* of its kind and architecture */
	struct digest image;
	struct digest digest; /* Nanos: of the whole release */

	/* By kernel_open() alone: */
	char *image_path; /* below the root: what goes to QEMU's -kernel */
	char *initramfs_path;
	struct digest initramfs;
};
void kernel_free(struct kernel *k);
DEFINE_CLEANUP(struct kernel *, kernel_free)

/* The kernel of a Linux guest @name, or with NULL the default one of @arch (volt's word),
 * ready to boot: its
 * initramfs is made anew when volt's init is another than the one in it. -ENOENT with what
 * to do when there is none. */
int kernel_open(const struct kernels *ks, const char *name, const char *arch,
		struct kernel **ret, struct volt_error *e);

/* All, sorted by name. A directory that cannot be read as a kernel is reported to @log and
 * left out. The caller frees each and the array. */
int kernel_list(const struct kernels *ks, const struct log *log, struct kernel ***ret,
		size_t *ret_n, struct volt_error *e);

/* -EBUSY for a default kernel while there are others in its place. Whether machines name it
 * is for the caller to see. */
int kernel_remove(const struct kernels *ks, const char *name, struct volt_error *e);

/* Makes it the default of its kind and architecture. The first one imported is that already. */
int kernel_set_default(const struct kernels *ks, const char *name, struct volt_error *e);

/* Where a kernel comes from. All run as the calling user and install nothing. */
struct kernel_import {
	const char *name; /* NULL: from the source and the release */
	const char
		*source; /* "debian", "debian:PACKAGE", "host", or a path: of a .deb, or
			      * of a kernel image */
	const char *
		modules; /* lib/modules/<release> for a kernel image; NULL: none needed */
	const char *arch; /* NULL: the host's */
};
int kernel_import(const struct kernels *ks, const struct kernel_import *o,
		  const struct log *log, char **ret_name, struct volt_error *e);

/* A small kernel out of the distribution's sources and volt's configuration. Takes 2 GB
 * below kernels/ while it runs. */
struct kernel_build {
	const char *name;   /* NULL: "volt-<release>" */
	const char *arch;   /* volt's word */
	const char *source; /* directory or tar archive; NULL: Debian's package */
	const char *config; /* path of kernel/<arch>.config; <arch>.append is beside */
	unsigned int jobs;  /* 0: one for each CPU */
};
/* Whether there is a configuration for it. -ENOTSUP, with where else a kernel is had. */
int kernel_build_check(const char *arch, struct volt_error *e);

int kernel_build(const struct kernels *ks, const struct kernel_build *o,
		 const struct log *log, char **ret_name, struct volt_error *e);
