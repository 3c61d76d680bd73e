/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volt.h"

/* Shows long operations of @ctx on one line of stderr, if that is a terminal. */
void progress_show(struct volt_ctx *ctx);

/* Takes the line away, if there is one. Before anything else is written there. */
void progress_clear(void);
