/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/images-internal.h"
#include "image/source.h"
#include "image/transfer.h"

/* Pulls from a source that is parsed already. @name is for what does not come from a
 * registry; NULL: none. */
int pull_source(struct images *is, const struct source *s, const char *name,
		const struct image_pull *o, struct image **ret, struct volt_error *e);

/* What an archive or layout holds: the refs to ask skopeo for and their names here. */
struct contents {
	const char *transport;
	struct strv refs;  /* "" where there is none; the same again: one more name */
	struct strv names; /* "" likewise */
};
void contents_done(struct contents *c);
#define _cleanup_contents_ _cleanup_(contents_done)

/* Looks into an archive or a directory and finds out what it is, unless @transport says
 * so already. -ENOTSUP for what is neither. */
int contents_read(const char *path, const char *transport, struct contents *ret,
		  struct volt_error *e);
