/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* A path as a word of a unit, for RequiresMountsFor= and as what ExecStart= executes: quoted,
 * and "%" is no specifier. False, and nothing is written: what cannot be said there. */
bool unit_path(FILE *f, const char *path);

/* A word for ExecStart= and its like, after a space: whatever is in it, the program gets
 * it as it is. @text is UTF-8. */
void unit_argument(FILE *f, const char *text);

/* "NAME=VALUE" for Environment=. */
void unit_variable(FILE *f, const char *assignment);

/* May systemd execute it? The path of a program knows no escapes there. */
bool unit_program_is_valid(const char *path);

/* "network-online.target": one unit's name and nothing else. */
bool unit_name_is_valid(const char *name);
