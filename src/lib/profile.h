/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/internal.h"
#include "profile/profile.h"

/* What the files about profiles share. */

/* Those in the store: --qemu DIR is not asked. All borrowed from @ctx. */
int ctx_profiles(struct volt_ctx *ctx, struct profiles *ret, struct volt_error *e);

/* The profile @who (a name or a version), assembled. One of volt's own names that is not here
 * is made of what the host has. @arch is the guest's, NULL: any that it has. */
int profile_open(struct volt_ctx *ctx, const char *who, const struct profile_arch *arch,
		 struct profile **ret, struct volt_error *e);

/* A word for an architecture, NULL: the host's. -EINVAL. */
int profile_arch_parse(const char *word, const struct profile_arch **ret,
		       struct volt_error *e);
