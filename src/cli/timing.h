/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "volt.h"

/* The phases of a machine's last start, to stderr, a line each. */
void timing_print(const json_t *phases);

/* Takes them from the machine; NULL where there are none (or it is gone). */
json_t *timing_take(struct volt_machine *m);
