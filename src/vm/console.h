/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "volt.h"

#include "base/macro.h"
#include "vm/outlog.h"

/* The serial console: line by line, without anything a terminal would obey, to the console
 * log; the last lines are kept for a failure's message. init's own messages and what QEMU
 * writes to stderr go the same way. */
struct console;

#define CONSOLE_LINES     4
#define CONSOLE_LINE_MAX  512
#define CONSOLE_TAIL_SIZE 360

/* @log is borrowed. */
int console_new(sd_event *ev, struct outlog *log, struct console **ret,
		struct volt_error *e);
void console_free(struct console *c);
DEFINE_CLEANUP(struct console *, console_free)

/* Reads @fd until it ends; takes it. There may be several. */
int console_watch(struct console *c, int fd, const char *prefix);

/* Who else sees every byte of the first descriptor as it is, and may write to it. */
struct console_tap {
	void (*output)(void *data, const char *bytes, size_t size);
	void (*room)(void *data); /* console_write() takes bytes again */
};
void console_tap(struct console *c, const struct console_tap *tap, void *data);

/* All of @bytes, or none: -EAGAIN until room(); -EPIPE when it is closed. */
int console_write(struct console *c, const char *bytes, size_t size);

/* Reads no more of the first descriptor until it is let go again. */
void console_hold(struct console *c, bool on);

/* What is still in the descriptors, and a last line without its newline. */
void console_drain(struct console *c);

/* Text of our own making or init's; one line. */
void console_say(struct console *c, const char *prefix, const char *text, size_t size);

/* The last lines, newest last, " | " between; "" if there were none. */
void console_tail(const struct console *c, char text[static CONSOLE_TAIL_SIZE]);

/* What the kernel said when it panicked, or NULL. */
const char *console_panic(const struct console *c);

/* Forgets all that before a new run. */
void console_reset(struct console *c);
