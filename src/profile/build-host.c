/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/error.h"
#include "profile/build.h"

int profile_build_host(const struct profiles *ps, enum profile_name name,
		       struct profile_manifest **ret, struct volt_error *e)
{
	(void)ps;
	(void)ret;
	return fail(
		e, ENOTSUP,
		"profile '%s' is not in the store: put a directory with its bin/, lib/ "
		"and firmware/ there with 'volt cas build DIR --name %s'",
		profile_name_text(name), profile_name_text(name));
}
