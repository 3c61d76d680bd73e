/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "rootfs/nanos-base.h"

/* What is in machines/<id>/ of a Nanos machine's disk: the overlay, the record that says
 * what it lies over, and that base itself, a hard link to the one in the cache, so that it
 * is there as long as the machine, whatever becomes of the cache. */
#define NANOS_DISK_NAME "disk.qcow2"

struct nanos_record {
	char base[NANOS_BASE_SIZE];
	struct nanos_disk_id id; /* of the base */
	struct digest kernel;    /* the release it was made with */
	bool kernel_matters;     /* the base has a copy of that kernel */
};

int nanos_record_write(int dirfd, const struct nanos_record *k, struct volt_error *e);
int nanos_record_read(int dirfd, struct nanos_record *ret, struct volt_error *e);

/* Keeps @base, which is open, with the machine. Where the file system cannot, or the cache
 * has lost it already, there is none: the record still says what it was. */
int nanos_record_keep(int dirfd, int base, struct volt_error *e);

/* The base, the machine's own or the cache's. -ENOENT, without a message: there is neither;
 * -ESTALE: it has other contents than those the overlay lies over. */
int nanos_record_open(int dirfd, int rootfd, const struct nanos_record *k,
		      struct volt_error *e);

/* Is a supervisor, and so perhaps a guest, at work there? */
bool nanos_record_in_use(int dirfd);

/* -ESTALE: @base is not what @k says. */
int nanos_record_check(const struct nanos_record *k, int base, struct volt_error *e);
