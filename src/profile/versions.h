/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "profile/manifest.h"

/* A profile's versions are the refs <name>-<hash8>; the tag <name> says which is current.
 * Readers hold a lease while they use what a ref names. */

/* The ref of what @who names: a profile (its current version: the tagged one, without a tag
 * the newest) or a version ("kvm-linux-0a1b2c3d", also with more digits). -ENOENT. */
int profile_find(const struct profiles *ps, const char *who, char **ret_ref,
		 struct volt_error *e);

/* The manifest of the ref, called as the ref's name says. */
int profile_read(const struct profiles *ps, const char *ref,
		 struct profile_manifest **ret, struct volt_error *e);

/* Writes the ref of @m and makes it the current version of its name. The objects are in the
 * store, and something (a lease, an ingest) keeps them there. */
int profile_record(const struct profiles *ps, const struct profile_manifest *m,
		   char **ret_ref, struct volt_error *e);

/* Makes @ref the current version of its profile. */
int profile_make_current(const struct profiles *ps, const char *ref,
			 struct volt_error *e);

struct profile_version_entry {
	char *ref;
	struct profile_manifest *m;
	bool current, assembled;
};

/* All versions of all profiles, by name, newest first; one that cannot be read is logged
 * and left out. */
struct profile_list {
	struct profile_version_entry *v;
	size_t n;
};
int profile_list(const struct profiles *ps, struct profile_list *ret,
		 struct volt_error *e);
void profile_list_done(struct profile_list *l);

/* Removes the version @ref, its tree and, if it is the current one, the tag. -EBUSY while a
 * machine runs from it, unless @force: the machine then misses what it has not opened yet. */
int profile_remove(const struct profiles *ps, const char *ref, bool force,
		   struct volt_error *e);

struct profile_part {
	uint64_t files, bytes;
};
struct profile_usage {
	struct profile_part bin, lib, firmware;
	uint64_t bytes;          /* of all its objects, each once */
	uint64_t shared, own;    /* bytes that other profiles have too, or not */
	uint64_t linked, copied; /* files of the assembled tree; 0: there is none */
};
int profile_usage(const struct profiles *ps, const char *ref, struct profile_usage *ret,
		  struct volt_error *e);
