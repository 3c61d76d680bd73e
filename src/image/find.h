/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/images-internal.h"

/* The full names to look for, in order, for a name that was typed: podman tries
 * localhost/NAME for a short one first. The caller frees both; the second may be NULL. */
int find_candidates(const char *text, char *ret[static 2], struct volt_error *e);
