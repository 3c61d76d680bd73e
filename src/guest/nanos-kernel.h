/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/strv.h"
#include "guest/kernel.h"

/* Kernels of Nanos guests: one release of Nanos each, with the boot loaders and klibs that
 * came with it, in kernels/<name>/ beside those of Linux guests (guest/kernel.h lists,
 * removes and chooses among both). */
struct nanos_kernel {
	char *name, *version, *arch;
	struct digest digest; /* of the whole release */
	struct digest image;  /* of the kernel alone */
	bool pvh; /* QEMU enters the kernel directly: Nanos 0.1.42 and later */

	/* Open for reading; -1 where the release has none. */
	int kernel;
	int boot_img, uefi_loader;
	int klibs;               /* a directory */
	struct strv klibs_names; /* what is in it, sorted */
};
void nanos_kernel_free(struct nanos_kernel *k);
DEFINE_CLEANUP(struct nanos_kernel *, nanos_kernel_free)

/* The kernel @name, or with NULL the default one of @arch (volt's word). Where there is none
 * at all, the newest release below ks->ops is imported first, and ks->log told. -ENOENT says
 * what to do. */
int nanos_kernel_open(const struct kernels *ks, const char *name, const char *arch,
		      struct nanos_kernel **ret, struct volt_error *e);

/* A descriptor of one of its klibs; -ENOENT names those it has. */
int nanos_klib_open(const struct nanos_kernel *k, const char *name, struct volt_error *e);

/* Takes a release: a directory as ops unpacks it, or its tar archive. One that is here
 * already, byte for byte, is left as it is; another one of the same version is refused
 * (-EEXIST) unless it is given a name of its own. */
struct nanos_import {
	const char *name;   /* NULL: "nanos-<version>" */
	const char *source; /* path; NULL: the newest below ks->ops */
	const char *arch;   /* volt's word: what the kernel must be for; NULL: any */
};
int nanos_kernel_import(const struct kernels *ks, const struct nanos_import *o,
			char **ret_name, struct volt_error *e);

/* The path of the newest release below ks->ops. -ENOENT says what to do. */
int nanos_ops_find(const struct kernels *ks, char **ret, struct volt_error *e);
