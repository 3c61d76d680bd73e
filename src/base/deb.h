/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"

/* Unpacking what volt takes out of a Debian package (or of the tar archive in it): regular
 * files with clean paths, nothing else, so a hostile package writes only below @dirfd.
 * @wanted decides by path and may change it ("" is refused): returns the path below
 * @dirfd, or NULL to pass over. -ENOTSUP: @path is no package. */
typedef const char *deb_wanted_fn(const char *path);
int deb_unpack(const char *path, int dirfd, deb_wanted_fn *wanted, struct volt_error *e);
