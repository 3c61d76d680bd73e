/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "vm/qemu.h"
#include "vm/state.h"

/* What the supervisor leaves to each kind of guest: linux_guest is in sup-run.c, with all that
 * comes from an agent, disk_guest in sup-disk.c, nanos_guest in sup-nanos.c. */

/* The sockets between a QEMU and us. */
struct channels {
	int own[4], theirs[4];
};
enum channel {
	CHANNEL_QMP,
	CHANNEL_AGENT,
	CHANNEL_CONSOLE,
	CHANNEL_ERRORS,
	CHANNEL_MAX
};

struct sup;

/* What depends on the kind of guest. Those with an agent know more of their guest than any
 * other; NULL: nothing to do. */
struct guest_ops {
	bool has_agent;
	/* Once, before the first run. */
	int (*set_up)(struct sup *s, struct volt_error *e);
	/* Starts QEMU, with whatever it needs besides the network. */
	int (*start)(struct sup *s, const struct channels *c, struct volt_error *e);
	/* QEMU's monitor answers. */
	void (*ready)(struct sup *s);
	void (*event)(struct sup *s, const char *name, const json_t *info);
	/* QEMU has ended and all it said is read: what became of the guest, if that is known. */
	void (*ended)(struct sup *s, const siginfo_t *si);
	/* False where it does not arrive. */
	bool (*signal)(struct sup *s, int number);
	/* Presses the power button; false where that would be in vain. */
	bool (*button)(struct sup *s);
	/* Of an attached client, none: its end. False: not now, see server_resume(). */
	bool (*input)(struct sup *s, const char *bytes, size_t size);
	/* Attached clients have read. */
	void (*drained)(struct sup *s);
};

extern const struct guest_ops linux_guest, disk_guest, nanos_guest;

/* --- what they are written with --- */

/* What every kind of guest is started with, to be completed, and the start itself. */
struct qemu_config run_config(struct sup *s, const struct channels *c);
int run_spawn(struct sup *s, const struct channels *c, struct qemu_config *config,
	      struct volt_error *e);

/* Whom QEMU, and what works for it alone, runs as. */
struct jail_user run_user(const struct sup *s);

/* The guest is up, as far as can be told: the caller may go. */
void run_started(struct sup *s);

/* The flash of a guest that boots by UEFI: the profile's firmware, the machine's variables. */
int run_firmware(struct sup *s, int *ret_code, int *ret_vars, struct volt_error *e);

/* The power button; false where nobody can press it. Which signals mean it. */
bool run_press_button(struct sup *s);
bool run_means_button(int number);

/* Notes when @p was reached for the first time. */
void run_reached(struct sup *s, enum phase p);
