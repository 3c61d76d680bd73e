/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "rootfs/nanos-disk.h"
#include "rootfs/rootfs.h"

/* Disks that machines of one image and one choice of its files share, cached under rootfs/
 * by the rules of rootfs.h: rootfs/<tree digest>-<key>.nanos. The tree is the image's, so
 * that what is made of it goes when it does; the key stands for all that decides what is on
 * the disk. */
#define NANOS_KEY_DIGITS 24
#define NANOS_BASE_SIZE  (DIGEST_HEX_SIZE + 1 + NANOS_KEY_DIGITS + sizeof(".nanos"))

void nanos_base_name(const struct digest *tree, const struct digest *key,
		     char name[static NANOS_BASE_SIZE]);

/* Read-only, by its name alone; -ENOENT, without a message, where it is not there (any
 * more). */
int nanos_base_open(int rootfd, const char *name, struct volt_error *e);

/* The same, made from @in where it is not there; its objects are leased meanwhile. */
int nanos_base_make(int rootfd, struct store *s, const char *name,
		    const struct nanos_disk_input *in, struct volt_error *e);
