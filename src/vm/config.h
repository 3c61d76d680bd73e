/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "guest/agent-wire.h"
#include "net/user.h"
#include "vm/qemu.h"
#include "vm/shares.h"
#include "vm/spec.h"

/* All that init is told about the machine it is to become. */
struct config {
	const struct spec *spec;
	const struct net_link *link; /* NULL: no network */
	const struct shares *shares;
	bool by_virtiofs;
	bool upper_disk; /* the writable layer is the disk "upper" */
	uint16_t rows, columns;
};

/* Adds the records of CONFIG; a failure shows in wire_end(). */
void config_write(const struct config *c, struct wire_out *out);
