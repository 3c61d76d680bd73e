/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/spawn.h"

/* What a program that fetches into a layout below a staging directory may write there. */

#define LAYOUT       "layout"
#define LAYOUT_BLOBS LAYOUT "/blobs/sha256"

struct bound {
	int dirs[3]; /* blobs of the layout, the layout, the staging directory */
	int notify;
	uint64_t announced, held;
};
#define BOUND_INIT                                   \
	{                                            \
		.dirs = { -1, -1, -1 }, .notify = -1 \
	}

/* The layout must be there; what it holds now was not announced and does not count. */
int bound_begin(struct bound *b, int staging, uint64_t announced, struct volt_error *e);
void bound_done(struct bound *b);

/* From here on @s, which spawn_run() runs, ends with -EFBIG when it has written more than
 * was announced and a little for documents. */
void bound_apply(struct bound *b, struct spawn *s);
