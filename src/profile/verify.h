/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "profile/manifest.h"

/* Every file of a profile hashed: its objects and its assembled tree. */

struct profile_damage {
	const char *object;   /* its 64 digits; "" where only the tree is concerned */
	const char *path;     /* in the profile: "lib/libc.so.6" */
	const char *profiles; /* every version that has the object: "kvm-linux-…, …" */
	const char *why;
	bool repaired;
	const char *from; /* what it was repaired from; or why it could not be */
};

/* Told of each. */
struct profile_listener {
	void (*found)(void *data, const struct profile_damage *d);
	void *data;
};

struct profile_check {
	uint64_t objects, bytes; /* hashed */
	uint64_t bad, repaired;  /* bad: those that were repaired too */
};

/* Of the version @ref, NULL: of all. With @repair a damaged object gets a new file, from a
 * copy that the store has, or from the file of the host that it was once taken from, if that
 * still has the same content; and every tree that had the damaged file gets the new one.
 * @listener and @ret may be NULL. */
int profile_verify(const struct profiles *ps, const char *ref, bool repair,
		   const struct profile_listener *listener, struct profile_check *ret,
		   struct volt_error *e);

/* Repairs the objects of @m. -EBADMSG with what is wrong where that is not possible. */
int profile_repair(const struct profiles *ps, const struct profile_manifest *m,
		   struct volt_error *e);
