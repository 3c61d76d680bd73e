/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volt.h"

/* The overlay of the machine @name, and in *@ret_base what it lies over; both read-only, to
 * be closed. -ENOENT: there is no such machine, or it has none. */
int nanos_machine_disk(struct volt_ctx *ctx, const char *name, int *ret_base,
		       struct volt_error *e);
