/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/log.h"
#include "base/strv.h"
#include "base/workdir.h"

/* Debian packages of another architecture than the host's. apt gets lists of its own, below
 * a work directory: the host's dpkg need not know the architecture, and nothing of the
 * host's apt changes. */
struct apt_foreign {
	const struct workdir *w; /* borrowed */
	struct strv options;     /* for every call of apt */
};

/* Gets the lists of @arch (Debian's word), from the archives that the host's own sources
 * name; of the release @release (a code name, NULL: the host's). Lists that cannot be had
 * are reported to @log: others may do. -ENOTSUP where the host's apt knows no Debian. */
int apt_foreign_open(const struct workdir *w, const char *arch, const char *release,
		     const struct log *log, struct apt_foreign *ret,
		     struct volt_error *e);
void apt_foreign_done(struct apt_foreign *a);

/* As apt_download() and apt_depends(). */
int apt_foreign_download(const struct apt_foreign *a, const char *name, char **ret,
			 struct volt_error *e);
int apt_foreign_depends(const struct apt_foreign *a, const char *name, const char *prefix,
			char **ret, struct volt_error *e);
