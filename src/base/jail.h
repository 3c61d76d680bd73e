/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "volt.h"

#include "base/macro.h"

/* An empty root for one program: it sees what is bound there and nothing else of the host,
 * and has no rights but those named here. Used through spawn.h. */

enum jail_flag {
	JAIL_WRITABLE = 1 << 0, /* else read-only */
	JAIL_EXEC = 1 << 1,     /* programs and libraries */
	JAIL_DEVICE = 1 << 2 /* a device node, its user's alone where that can be made */
};

struct jail_bind {
	int fd;           /* a directory, with all that is mounted below, a file or a
	                   * device; O_PATH will do */
	const char *name; /* below the root, "kernel" or "dev/kvm": one slash at most */
	unsigned int flags;
};

#define JAIL_BINDS_MAX 64

struct jail {
	struct jail_bind v[JAIL_BINDS_MAX];
	size_t n;
	bool host_network;     /* else a network namespace with nothing in it */
	bool own_fds;          /* /proc/self/fd, and nothing else of /proc */
	uint64_t capabilities; /* 1 << CAP_…: all that is left */
};

/* -E2BIG when it is full. @name is borrowed. */
int jail_add(struct jail *j, int fd, const char *name, unsigned int flags);

/* What the child needs, made before the fork. -ESTALE: something is no more where it was. */
struct jail_plan;
int jail_plan_new(const struct jail *j, uid_t uid, gid_t gid, struct jail_plan **ret,
		  struct volt_error *e);
void jail_plan_free(struct jail_plan *p);
DEFINE_CLEANUP(struct jail_plan *, jail_plan_free)

/* For the child, between fork() and execve(): system calls only. -errno, and which step it
 * was, for jail_fail(). After it, the root and the working directory are the empty one. */
int jail_enter(const struct jail_plan *p, int *ret_step);

/* Gives up every right but those the plan keeps, and becomes its user. */
int jail_drop(const struct jail_plan *p, int *ret_step);

/* In the parent: the sentence. -ENOTSUP where this host or container lets nobody make an
 * empty root, whatever is to be in it. */
int jail_fail(const struct jail_plan *p, int step, int code, struct volt_error *e);
