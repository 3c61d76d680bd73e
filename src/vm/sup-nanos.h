/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What the end of a Nanos machine's console says of its kernel. A program's output is on the
 * same console: a line counts where it is the kernel's, letter by letter, from its beginning,
 * and the last one. Whoever asks also has what goes with it: a status, or silence. */

/* What its kernel (or its firmware, where it @has_firmware) died of before there was a program,
 * or NULL. */
const char *said_broken(const char *text, bool has_firmware);

/* Why the program could not be started: a line in @text, or NULL. */
const char *said_refused(const char *text, int code);

/* Did the signal @code end the program? */
bool said_signal(const char *text, int code);

/* The firmware is done, and what comes behind is not its own: where, or NULL. */
const char *said_handed_over(const char *text);
