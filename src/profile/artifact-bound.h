/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/spawn.h"

/* What a program that fetches into a layout below a staging directory may write there. */

#define LAYOUT       "layout"
#define LAYOUT_BLOBS LAYOUT "/blobs/sha256"

struct bound {
	int dirs[3]; /* the staging directory, the layout, its blobs */
	int notify;
	uint64_t announced;
};
#define BOUND_INIT                                   \
	{                                            \
		.dirs = { -1, -1, -1 }, .notify = -1 \
	}

/* The layout must be there; files of it that have other names too are not counted. */
int bound_begin(struct bound *b, int staging, uint64_t announced, struct volt_error *e);
void bound_done(struct bound *b);

/* From here on @s, which spawn_run() runs, ends with -EFBIG when it has written more than
 * was announced and a little for documents. */
void bound_apply(struct bound *b, struct spawn *s);
