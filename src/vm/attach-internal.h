/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vm/attach.h"

/* Takes ownership of @fd, also on failure; its request has been accepted. */
int attach_new(int fd, struct attach **ret, struct volt_error *e);
