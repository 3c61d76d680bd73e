/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "volt.h"

/* Our own terminal while a guest's is shown in it. */

/* Puts stdin, if it is a terminal, in raw mode, until terminal_restore() or exit(). */
int terminal_raw(struct volt_error *e);
void terminal_restore(void);

/* Of stdout or stdin; false: neither is a terminal. */
bool terminal_size(unsigned int *rows, unsigned int *columns);

/* A sequence of keys that ends an attachment: "ctrl-p,ctrl-q", "a"; "" is none. */
#define DETACH_KEYS_MAX     16
#define DETACH_KEYS_DEFAULT "ctrl-p,ctrl-q"

struct detach_keys {
	unsigned char keys[DETACH_KEYS_MAX];
	size_t n, seen;
};

int detach_keys_parse(const char *text, struct detach_keys *ret, struct volt_error *e);

/* Filters @size bytes of input: what is to be sent on is written to @out (room for @size +
 * DETACH_KEYS_MAX), its length to *@out_size. True: the sequence is complete. */
bool detach_keys_filter(struct detach_keys *k, const unsigned char *in, size_t size,
			unsigned char *out, size_t *out_size);
