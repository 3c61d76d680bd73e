/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "volt.h"

/* Files that say what a machine is made of, each thing by its digest. */

/* Sets "lock" of the wish @spec to what @path holds. */
int lock_file_read(const char *path, json_t *spec, struct volt_error *e);

/* Whether @path could be written, as far as that can be told without doing it. */
int lock_file_check(const char *path, struct volt_error *e);

/* Writes what @m is made of: the file is there whole or as it was. */
int lock_file_write(const char *path, struct volt_machine *m, struct volt_error *e);
