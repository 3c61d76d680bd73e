/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/macro.h"

/* What the fake QEMU and the guest in it know of each other. */
struct fake {
	const char *name; /* as after -name */
	bool paused, no_shutdown, kvm;
	bool deaf;  /* the guest does not read its port */
	bool nanos; /* it has a debug port, and no agent's: fake-nanos.c */
	int qmp_fd, agent_fd, console_fd;
};
extern struct fake fake;

/* Does the machine's name ask for this fault? */
bool fault(const char *kind);

/* Text on the serial console. */
void console(const char *fmt, ...) _printf_(1, 2);

/* @data is JSON. */
void qmp_event(const char *name, const char *data);

void guest_boot(void);
void guest_read(void); /* the agent's port is readable */
void guest_power_button(void);

void nanos_boot(void);
void nanos_power_button(void);
