/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "profile/manifest.h"

/* Making profiles: files go into the store, then a manifest names them. */

struct profile_file {
	const char *path; /* in the profile */
	const char
		*source; /* absolute path on this host, recorded for repairs; or NULL */
	int dirfd;       /* directory in which @at is opened, also through links that */
	const char *at;  /* stay below it; NULL: @source is opened */
};

struct profile_about {
	const char *name;
	const char *version;       /* QEMU's, or NULL */
	const char *arch;          /* of the host it runs on, volt's word, or NULL */
	const char *loader;        /* "lib/ld-linux-x86-64.so.2", or NULL */
	const char *const *guests; /* QEMU's targets, up to NULL; NULL: what bin/ has */
	unsigned int capabilities; /* 0: does not say */
};

/* Stores the files and makes a current version of @about->name of them. */
int profile_store(const struct profiles *ps, const struct profile_about *about,
		  const struct profile_file *files, size_t n,
		  struct profile_manifest **ret, struct volt_error *e);

/* The same with all that is in bin/, lib/ and firmware/ of the directory @dirfd, which is
 * @path on this host (absolute; NULL: not recorded). Links that stay inside are followed to
 * files; everything else is refused. */
int profile_store_directory(const struct profiles *ps, const struct profile_about *about,
			    int dirfd, const char *path, struct profile_manifest **ret,
			    struct volt_error *e);

/* Makes the profile @name from the QEMU that this host has installed. */
int profile_build_host(const struct profiles *ps, enum profile_name name,
		       struct profile_manifest **ret, struct volt_error *e);
