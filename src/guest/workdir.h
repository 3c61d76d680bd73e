/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "guest/kernel.h"

/* A directory for what an import downloads and unpacks: kernels/.work-<random>, gone when
 * it is done. One whose maker has died is removed by the next (its lock is free). */
struct workdir {
	int fd, parent, lock;
	char name[40];
	char *path; /* absolute: for programs; owned */
};
#define WORKDIR_INIT                               \
	{                                          \
		.fd = -1, .parent = -1, .lock = -1 \
	}

int workdir_open(const struct kernels *ks, struct workdir *w, struct volt_error *e);
void workdir_done(struct workdir *w);

/* Downloads the Debian package @name into it, as any user, by apt; installs nothing.
 * *@ret is its path. */
int apt_download(const struct workdir *w, const char *name, char **ret,
		 struct volt_error *e);

/* The package that the metapackage @name is for: the first it depends on whose name begins
 * with @prefix. -ENOENT. */
int apt_depends(const char *name, const char *prefix, char **ret, struct volt_error *e);
