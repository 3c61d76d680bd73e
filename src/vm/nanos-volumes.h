/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "guest/nanos-plan.h"
#include "vm/machine.h"
#include "vm/spec.h"
#include "vm/volume-disks.h"

/* Volumes of Nanos guests. Nanos mounts file systems of its own, and 9p: so a named volume is
 * a disk; a host's directory or file that is only read is copied to a disk at each start; and
 * a host's directory that is written is served by QEMU, by 9p.
 *
 * A disk is found by the label of its file system, which for a named volume is its name and
 * for a copy begins with '.', so that it is no name. A single file is on a volume that is
 * mounted below /.volt, and its path a link into that. */

/* What the root file system has to have for the volumes of a machine, and be told. */
struct nanos_mounts {
	struct strv points; /* directories */
	struct nanos_link *links;
	size_t n_links;
	json_t *attribute; /* "mounts"; NULL: there are none */
	struct strv texts; /* what the links borrow */
};
void nanos_mounts_done(struct nanos_mounts *m);

/* -ENOMEM. */
int nanos_mounts_make(const struct spec *s, struct nanos_mounts *ret,
		      struct volt_error *e);

/* Looks at the sources of volumes of a machine that is being made, and sees which are single
 * files. Those that are not there, or are neither that nor directories, are refused, and a
 * file that would be written. */
int nanos_volumes_look(struct spec *s, struct volt_error *e);

/* Makes the named ones that are not there. */
int nanos_volumes_make(const struct vm_env *env, const struct spec *s,
		       struct volt_error *e);

/* The disks of a start. -EBUSY names the machine that has a volume. */
int nanos_volumes_open(const struct machine *m, const struct spec *s,
		       struct volume_disks *ret, struct volt_error *e);
