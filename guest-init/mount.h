/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config.h"

struct why;

/* Splits "ro,nosuid,size=64m" into mount(2)'s flags and the text for the file system, at
 * most @size bytes of it. -E2BIG. Pure, for tests. */
int mount_options(const char *options, unsigned long *ret_flags, char *data, size_t size);

/* /proc, /sys and /dev of the initramfs. */
int mount_early(struct why *w);

/* Assembles the root and moves into it, taking /proc, /sys and /dev along. It can be
 * written to until root_seal(), which ends that for a machine without a writable layer. */
int mount_root(const struct config *c, struct why *w);
int root_seal(const struct config *c, struct why *w);

/* What every workload finds: /dev/pts, /dev/shm, cgroups; then the volumes in order. */
int mount_all(const struct config *c, struct why *w);

/* Mounts one wish at @target, which exists, with @flags besides its options. */
int mount_wish(const struct mount_wish *m, const char *target, unsigned long flags,
	       struct why *w);

/* Flushes and makes every lasting file system clean. */
void unmount_volumes(void);
void unmount_root(void);
