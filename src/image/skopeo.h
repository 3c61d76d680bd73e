/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/strv.h"
#include "image/images-internal.h"
#include "image/transfer.h"

/* skopeo, run in a staging directory (so that no path of ours has to survive its
 * "transport:path:name" syntax) and with credentials in files only. */
struct skopeo {
	const struct staging *staging;
	const struct platform *platform; /* NULL: does not matter */
	char *authfile;                  /* NULL: skopeo's own rules */
	const char *tls_verify;
};

/* @registry is whom @t->creds are for. */
int skopeo_init(struct skopeo *s, const struct staging *st,
		const struct image_transport *t, const char *registry,
		struct volt_error *e);
void skopeo_done(struct skopeo *s);
#define _cleanup_skopeo_ _cleanup_(skopeo_done)

/* The raw manifest (or config) of an image, as the source has it. */
int skopeo_raw(const struct skopeo *s, const char *source, bool config, char **ret,
	       size_t *ret_size, struct volt_error *e);

/* The command line that copies; extra options may be added before it is run. */
int skopeo_copy_args(const struct skopeo *s, const char *source, const char *destination,
		     struct strv *ret, struct volt_error *e);

/* Runs one to its end. @max_out and @ret_out are spawn_run()'s. */
int skopeo_run(int cwd, const struct strv *args, size_t max_out, char **ret_out,
	       struct volt_error *e);

/* Turns what skopeo said last into an error worth reading, without credentials: -ENOENT,
 * -EACCES, -ECONNREFUSED, -ENOSPC, -EFBIG and more where it is known, else -EIO. */
int skopeo_explain(const char *said, struct volt_error *e);
