/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "guest/nanos-release.h"

/* Files come in by these, in any order. */

/* -EBADMSG where @path is in it already, -EFBIG where they are too many or too large. */
int nanos_release_expect(const struct nanos_release *r, const char *path, uint64_t size,
			 struct volt_error *e);

/* Takes @data over, also on failure. */
int nanos_release_add(struct nanos_release *r, const char *path, char *data, size_t size,
		      struct volt_error *e);
