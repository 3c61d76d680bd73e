/* SPDX-License-Identifier: Apache-2.0 */
/* Apart from all that finds and makes profiles: the supervisor is handed some, and links
 * neither the store nor what reads archives. */

#include "profile/profile.h"

#include <stdlib.h>
#include <string.h>

#include "profile/internal.h"

struct profile *profile_new(const char *name, const struct profile_arch *arch)
{
	struct profile *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->arch = arch;
	p->root = p->lock = -1;
	p->name = strdup(name);
	if (p->name)
		return p;
	free(p);
	return NULL;
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	closep(&p->root);
	closep(&p->lock);
	free(p->name);
	free(p->path);
	free(p->qemu);
	free(p->loader);
	free(p->firmware);
	free(p->uefi_code);
	free(p->uefi_vars);
	free(p->virtiofsd);
	free(p->version);
	free(p);
}
