/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <popt.h>

#include "volt.h"

/* The options of `run` and `create` that are for Nanos guests alone; parsed into variables of
 * this file. */
extern const struct poptOption wish_nanos_options[];

/* One of them that was given, without its dashes; NULL: none. */
const char *wish_nanos_given(void);

/* "nanos" of @spec: what they mean. */
int wish_nanos_put(json_t *spec, struct volt_error *e);

/* Completes @spec, which all other options have made, by --config. */
int wish_nanos_config(json_t *spec, struct volt_error *e);

/* "KEY", "KEY=VALUE", "OBJECT.KEY=VALUE": a member of @attributes. A VALUE that begins with {
 * or [ is JSON, everything else text; without one it is true. */
int attribute_parse(json_t *attributes, const char *word, struct volt_error *e);
