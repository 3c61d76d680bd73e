/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

/* Disks beside the one that a machine boots, by the descriptors that QEMU gets. */
#define VOLUME_DISKS_MAX 16

struct volume_disks {
	struct volume_disk {
		int fd;
		bool read_only;
	} v[VOLUME_DISKS_MAX];
	size_t n;
};

static inline void volume_disks_done(struct volume_disks *d)
{
	while (d->n > 0)
		closep(&d->v[--d->n].fd);
}
