/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/fetch.h"
#include "image/skopeo-proxy.h"

/* Has @f->proxy opened the image at @ref, "docker://…". */
int fetch_open(struct fetch *f, const char *ref, struct volt_error *e);

/* One of its blobs that is a document of at most @max bytes. Its digest is the caller's to
 * check. The caller frees *@ret. */
int fetch_document(struct fetch *f, const struct descriptor *d, size_t max, char **ret,
		   size_t *ret_size, struct volt_error *e);

/* Its layers @v, which are unpacked and kept in @f->blobs. fetch_wait() comes after it. */
int fetch_layers(struct fetch *f, const struct descriptor *const *v, size_t n,
		 struct volt_error *e);
