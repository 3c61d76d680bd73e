/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>

#include "vm/state.h"

/* What a list of machines shows of one: members of its state.json under the same names, as
 * JSON text. Written without building a document, which for a thousand machines took longer
 * than reading them. */
void summary_write(FILE *f, const struct state *st);
