/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <popt.h>

#include "volt.h"

/* The options that `run` and `create` share, and the document that they mean. */
extern const struct poptOption wish_options[];

/* From the options and the words IMAGE [COMMAND…]. */
int wish_spec(int argc, const char **argv, json_t **ret, struct volt_error *e);

/* Makes the machine, pulling its image where asked to; writes --cidfile. With @start it is
 * about to be started. */
int wish_create(struct volt_ctx *ctx, const json_t *spec, bool start,
		struct volt_machine **ret, struct volt_error *e);

/* The machine could not be started and is gone: so is what told its id. */
void wish_forget(void);

/* Was --quiet given? */
bool wish_is_quiet(void);
