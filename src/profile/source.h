/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/apt-release.h"
#include "profile/build.h"

/* Compiling a profile's QEMU: Debian's sources, a recipe, QEMU's own configure and ninja. */

struct profile_source {
	const char *recipe; /* path of NAME.recipe */
	const char
		*source; /* a directory (which stays as it is), a tar archive or a .dsc;
			     * NULL: Debian's package, by apt */
	const struct apt_archive
		*archive;  /* NULL: where this host's sources have Debian */
	unsigned int jobs; /* 0: one for each CPU */
};

/* Takes up to 3 GB below qemu/ while it runs, and minutes. A signal that the caller holds
 * back ends it with -EINTR (base/tool.h). */
int profile_build_source(const struct profiles *ps, enum profile_name name,
			 const struct profile_source *o, struct profile_manifest **ret,
			 struct volt_error *e);
