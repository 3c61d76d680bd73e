/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/strv.h"
#include "base/workdir.h"

/* A release of Debian beside the host's own: apt with lists, a cache and sources of its own
 * in a work directory, so that neither changes the other. */
struct apt_release {
	const struct workdir *w; /* borrowed */
	char *name, *path;       /* of the release; of what apt keeps */
	int fd;
};
#define APT_RELEASE_INIT \
	{                \
		.fd = -1 \
	}

/* Where Debian's archive is. @suites, up to NULL, are "<address> <suite>". */
struct apt_archive {
	struct strv suites;
	const char *keyring; /* whose keys may sign it; NULL: Debian's */
};

/* The release @name in the archives that the host's own sources name (also its updates and
 * security fixes, where they do). -ENOENT: they have no Debian. */
int apt_archive_find(const char *name, struct apt_archive *ret, struct volt_error *e);

/* Gets the lists. */
int apt_release_open(const struct workdir *w, const char *name,
		     const struct apt_archive *a, struct apt_release *ret,
		     struct volt_error *e);
void apt_release_done(struct apt_release *a);

/* Downloads the newest sources of @package and unpacks them to the new directory @into of
 * the work directory, Debian's patches applied. */
int apt_release_source(const struct apt_release *a, const char *package, const char *into,
		       struct volt_error *e);

/* As apt_download(). */
int apt_release_download(const struct apt_release *a, const char *name, char **ret,
			 struct volt_error *e);

/* Unpacks a .dsc and what lies beside it, as apt_release_source() does. */
int dsc_unpack(const struct workdir *w, const char *dsc, const char *into,
	       struct volt_error *e);
