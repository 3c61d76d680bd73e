/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "base/error.h"
#include "base/log.h"
#include "profile/build.h"
#include "profile/host.h"
#include "profile/internal.h"
#include "profile/versions.h"

/* 1: @ret is the digest of the current version. 0: there is none, or none that can be read:
 * then a new one is the remedy. */
static int current_digest(const struct profiles *ps, enum profile_name name,
			  struct digest *ret)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	_cleanup_free_ char *ref = NULL;

	if (profile_find(ps, profile_name_text(name), &ref, NULL) < 0 ||
	    profile_read(ps, ref, &m, NULL) < 0)
		return 0;
	*ret = m->digest;
	return 1;
}

int profile_build_below(const char *root, const struct profiles *ps,
			enum profile_name name, struct profile_manifest **ret,
			struct volt_error *e)
{
	_cleanup_host_files_ struct host_files f = { 0 };
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	char tree[PROFILE_TREE_SIZE];
	struct digest before;
	int known, r;

	r = host_files_find(root, name, ps->log, &f, e);
	if (r < 0)
		return r;
	known = current_digest(ps, name, &before);
	r = host_files_store(&f, ps, profile_name_text(name), -1, &m, e);
	if (r < 0)
		return r;
	if (known && memcmp(&before, &m->digest, sizeof(before)) == 0)
		log_line(ps->log, LOG_INFO, "profile '%s' has not changed: it is '%s'",
			 m->name, profile_tree_name(m, tree));
	*ret = TAKE_PTR(m);
	return 0;
}

int profile_build_host(const struct profiles *ps, enum profile_name name,
		       struct profile_manifest **ret, struct volt_error *e)
{
	return profile_build_below("", ps, name, ret, e);
}
