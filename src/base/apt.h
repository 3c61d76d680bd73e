/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/workdir.h"

/* Debian packages by apt, as any user; nothing is installed. */

/* Downloads the package @name into @w. *@ret is its path. */
int apt_download(const struct workdir *w, const char *name, char **ret,
		 struct volt_error *e);

/* The package that the metapackage @name is for: the first it depends on whose name begins
 * with @prefix. -ENOENT. */
int apt_depends(const char *name, const char *prefix, char **ret, struct volt_error *e);

/* Package names go to apt as arguments: never as options or patterns. -EINVAL. */
int apt_check_name(const char *name, struct volt_error *e);

/* The first package in what `apt-cache depends` printed whose name begins with @prefix, in
 * a new string, or NULL. Cuts @text up. */
char *apt_find_dependency(char *text, const char *prefix);
