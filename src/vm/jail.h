/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "profile/kvm.h"

/* Whom QEMU runs as when the supervisor is root: a user of this machine alone, made of its
 * id, who owns nothing and is nobody else's. All that QEMU opens is handed to it, so it
 * misses nothing. */
struct jail_user {
	uid_t uid; /* 0: as the supervisor */
	gid_t gid;
};

/* Stays root where that user does not exist (in a small user namespace) or could not do
 * its work: @program is where only root may look, /dev/kvm for root alone. */
struct jail_user jail_user(const char *id, enum accel accel, const char *program);
