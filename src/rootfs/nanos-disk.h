/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "rootfs/tfs.h"

/* A disk that Nanos boots from, or is given with `-kernel`: doc/formats.md. */

enum nanos_boot {
	NANOS_DIRECT, /* the kernel comes from QEMU */
	NANOS_BIOS,   /* boot sector */
	NANOS_UEFI,   /* EFI system partition */
};

struct nanos_klib {
	const char *name;
	int fd; /* borrowed */
};

/* Descriptors of a release's files, borrowed; -1 where they are not needed. */
struct nanos_disk_input {
	struct tfs_input root;
	enum nanos_boot boot;
	const char *arch; /* volt's word, for the loader's name; NULL: amd64 */
	int kernel;       /* for all but NANOS_DIRECT without klibs */
	int boot_img;     /* NANOS_BIOS */
	int uefi_loader;  /* NANOS_UEFI */
	const struct nanos_klib *klibs;
	size_t n_klibs;
};

/* Where its parts begin, in bytes. */
struct nanos_disk_layout {
	uint64_t klog;   /* 4096 bytes that the kernel writes when it dies */
	uint64_t bootfs; /* 0: there is none */
	uint64_t root;
	uint64_t size;    /* of the disk */
	uint64_t skipped; /* as in struct tfs_written */
};

/* Writes the disk to @fd, an empty regular file open for reading and writing. The same
 * input gives the same bytes. @ret may be NULL. On failure the file is empty again. */
int nanos_disk_write(const struct nanos_disk_input *in, int fd,
		     struct nanos_disk_layout *ret, struct volt_error *e);

/* What an overlay relies on: the digest is over the partition table and the logs, which say
 * where everything is. */
struct nanos_disk_id {
	uint64_t size;
	struct digest layout;
};
int nanos_disk_identify(int fd, struct nanos_disk_id *ret, struct volt_error *e);
