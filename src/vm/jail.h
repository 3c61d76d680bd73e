/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "volt.h"

#include "base/jail.h"
#include "profile/kvm.h"
#include "vm/qemu.h"

/* Whom QEMU runs as when the supervisor is root: a user of this machine alone, made of its
 * id, who owns nothing and is nobody else's. All that QEMU opens is handed to it, so it
 * misses nothing. */
struct jail_user {
	uid_t uid; /* 0: as the supervisor */
	gid_t gid;
};

/* Stays root where that user does not exist (in a small user namespace). Without a jail
 * (@program is not NULL) also where the user could not do its work: @program is where only
 * root may look, /dev/kvm for root alone. */
struct jail_user jail_user(const char *id, enum accel accel, const char *program);

/* Of what works for QEMU without a jail: a user of the same machine's alone, but not @qemu,
 * who could take its own processes over (ptrace()) and so leave the jail. @qemu itself where
 * that is the supervisor's, or where the other does not exist. */
struct jail_user jail_helper(struct jail_user qemu);

/* The root that QEMU of @c runs in: its profile, kernel, initramfs and shares by 9p. */
struct qemu_jail {
	struct jail root;
	int fds[8]; /* that it holds open for that */
	size_t n_fds;
};
int jail_make(const struct qemu_config *c, struct qemu_jail *ret, struct volt_error *e);

/* Whether a disk stands in the jail, named by its serial, and is no descriptor: see the file. */
bool jail_shows_disk(const struct qemu_config *c, const struct qemu_disk *d);
void jail_done(struct qemu_jail *j);
