/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "volt.h"

/* Reads a config file of ops and completes @spec, the wish of a Nanos guest that the command
 * line has made: what that says wins, lists are joined. Every key is applied, or refused by
 * name with what to do; one that asks for nothing ("", 0, false, empty) is neither. */
int ops_config_apply(const char *path, json_t *spec, struct volt_error *e);
