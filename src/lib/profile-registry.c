/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "base/error.h"
#include "image/transfer.h"
#include "lib/profile.h"
#include "profile/artifact.h"
#include "profile/assemble.h"
#include "profile/versions.h"

static int digest_answer(const struct digest *d, char **ret, struct volt_error *e)
{
	char text[DIGEST_OCI_SIZE];

	if (!ret)
		return 0;
	*ret = strdup(digest_oci(d, text));
	return *ret ? 0 : fail_oom(e);
}

int volt_profile_push(struct volt_ctx *ctx, const char *profile, const char *place,
		      const char *options, char **ret, struct volt_error *e)
{
	static const char *const known[] = { "tls_verify", "authfile", "creds", NULL };
	_cleanup_free_ char *ref = NULL;
	struct image_transport t;
	struct profile_place at = { .name = place, .how = &t };
	json_auto_t *j = NULL;
	struct profiles ps;
	struct digest d;
	int r;

	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = transport_from(j, &t, e)) < 0 ||
	    (r = ctx_images(ctx, &at.images, e)) < 0 ||
	    (r = ctx_profiles(ctx, &ps, e)) < 0 ||
	    (r = profile_find(&ps, profile, &ref, e)) < 0 ||
	    (r = profile_push(&ps, &at, ref, &d, e)) < 0)
		return r;
	return digest_answer(&d, ret, e);
}

int volt_profile_pull(struct volt_ctx *ctx, const char *place, const char *options,
		      char **ret, struct volt_error *e)
{
	static const char *const known[] = { "name", "tls_verify", "authfile", "creds",
					     NULL };
	const char *name = NULL;
	struct image_transport t;
	struct profile_place at = { .name = place, .how = &t };
	json_auto_t *j = NULL;
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	_cleanup_free_ char *ref = NULL;
	struct profiles ps;
	struct digest d;
	int r;

	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = json_get_string(j, "name", &name, e)) < 0 ||
	    (r = transport_from(j, &t, e)) < 0 ||
	    (r = ctx_images(ctx, &at.images, e)) < 0 ||
	    (r = ctx_profiles(ctx, &ps, e)) < 0 ||
	    (r = profile_pull(&ps, &at, name, &d, &m, e)) < 0 ||
	    (r = profile_assemble_new(&ps, m, &ref, e)) < 0)
		return r;
	return digest_answer(&d, ret, e);
}
