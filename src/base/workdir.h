/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volt.h"

/* A directory for what is downloaded, unpacked and compiled: <parent>/.work-<random>, gone
 * when that is done. One whose maker has died is removed by the next (its lock is free). */
struct workdir {
	int fd, parent, lock;
	char name[40];
	char *path; /* absolute: for programs; owned */
};
#define WORKDIR_INIT                               \
	{                                          \
		.fd = -1, .parent = -1, .lock = -1 \
	}

/* @parent is taken, also on failure. @lock names a file in it, held meanwhile. */
int workdir_open(int parent, const char *lock, struct workdir *w, struct volt_error *e);
void workdir_done(struct workdir *w);

/* The path of the file in its directory @below ("." for itself) whose name ends in @end.
 * -ENOENT. */
int workdir_find(const struct workdir *w, const char *below, const char *end, char **ret);
