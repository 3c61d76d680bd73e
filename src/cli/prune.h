/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volt.h"

/* Each removes, prints the ids of what it removed, and returns 0 or a negative errno. */
int prune_machines(struct volt_ctx *ctx, struct volt_error *e);
int prune_images(struct volt_ctx *ctx, bool every, struct volt_error *e);
