/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "net/port.h"

/* Tries to bind every port and lets go again; a host port of 0 is replaced by one that is
 * free. Errors name the port: -EADDRINUSE, -EACCES, -EADDRNOTAVAIL. */
int ports_check_free(struct ports *ports, struct volt_error *e);
