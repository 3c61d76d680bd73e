/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <limits.h>

#include "volt.h"

#include "image/tree-builder.h"

/* A name in an archive as a clean path: leading slashes and "." go, ".." goes up. -EPERM
 * where that would leave the root; "" is the root itself. */
int layer_path_clean(const char *name, char ret[static PATH_MAX], struct volt_error *e);

/* Replaces what stands before the last slash of @path by the directory it means, where it
 * leads through symbolic links that @b has; ".." does not leave the root. This is what
 * unpacking in a chroot does. -ENOTDIR, -ELOOP. */
int layer_path_resolve(const struct tree_builder *b, char path[static PATH_MAX],
		       struct volt_error *e);

/* Walks from the clean @path along @name, without looking at anything; ".." stops at the
 * root. -ENAMETOOLONG. */
int layer_path_walk(char path[static PATH_MAX], const char *name);
