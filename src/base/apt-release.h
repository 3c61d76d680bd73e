/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/log.h"
#include "base/strv.h"
#include "base/workdir.h"

/* Debian's packages that the host's own lists do not have, of another release or another
 * architecture: apt with lists, a cache and sources of its own in a work directory, so that
 * neither changes the other, and the host's dpkg need not know the architecture. */
struct apt_release {
	const struct workdir *w; /* borrowed */
	char *path;              /* of what apt keeps */
	struct strv options;     /* for every call of apt */
	char of[80];             /* for messages: " of 'trixie'", or "" */
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

/* The release @name (NULL: the host's) in the archives of Debian that the host's own sources
 * name, with its updates and security fixes where they do. -ENOTSUP: they have no Debian. */
int apt_archive_find(const char *name, struct apt_archive *ret, struct volt_error *e);

/* What is wanted of it. */
struct apt_wish {
	const char *release; /* as for apt_archive_find() */
	const char *arch;    /* Debian's word; NULL: the host's */
	bool sources;        /* also source packages */
	bool lenient; /* lists that cannot be had are reported to @log: others may do */
	const struct log *log;
};

/* Gets the lists. */
int apt_release_open(const struct workdir *w, const struct apt_archive *archive,
		     const struct apt_wish *wish, struct apt_release *ret,
		     struct volt_error *e);
void apt_release_done(struct apt_release *a);

/* Downloads the newest sources of @package and unpacks them to the new directory @into of
 * the work directory, Debian's patches applied. */
int apt_release_source(const struct apt_release *a, const char *package, const char *into,
		       struct volt_error *e);

/* As apt_download() and apt_depends(). */
int apt_release_download(const struct apt_release *a, const char *name, char **ret,
			 struct volt_error *e);
int apt_release_depends(const struct apt_release *a, const char *name, const char *prefix,
			char **ret, struct volt_error *e);

/* Unpacks a .dsc and what lies beside it, as apt_release_source() does. */
int dsc_unpack(const struct workdir *w, const char *dsc, const char *into,
	       struct volt_error *e);
