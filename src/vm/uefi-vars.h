/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volt.h"

/* The flash that holds the variables of a machine's UEFI firmware: a file in its directory,
 * copied from the profile's template when the machine starts for the first time. */
#define UEFI_VARS_NAME "uefi-vars.fd"

/* Opens it for reading and writing, made from @template_fd where there is none. One of
 * another size belongs to another firmware, which would not read it: -EBADMSG. */
int uefi_vars_open(int dirfd, int template_fd, int *ret, struct volt_error *e);
