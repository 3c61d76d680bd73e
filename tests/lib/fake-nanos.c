/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Nanos guest of fake-qemu.c: what QEMU does when a kernel boots, its program ends, or
 * its button is pressed. The machine's name says how it goes: "code-N" ends by the debug port
 * with that code, "off" and "reset" end without it, "silent" writes nothing, "no-disk" cannot
 * open its disk and hangs, "deaf" hears the second press of its button only. Else it runs until
 * the button is pressed, and then ends with 3.
 */
#include <stdlib.h>
#include <string.h>

#include "fake.h"

static unsigned int presses;

static void leave(unsigned int code)
{
	exit((int)((code * 2 + 1) & 0xff));
}

static void go_off(const char *reason)
{
	qmp_event("SHUTDOWN", reason);
	exit(0);
}

void nanos_boot(void)
{
	const char *code = strstr(fake.name, "code-");

	if (strstr(fake.name, "no-disk")) {
		console("unable to open filesystem: (result:out of memory)\n");
		return;
	}
	if (!strstr(fake.name, "silent"))
		console("hello from nanos\n");
	if (code)
		leave((unsigned int)strtoul(code + 5, NULL, 10));
	if (strstr(fake.name, "off"))
		go_off("{\"guest\": true, \"reason\": \"guest-shutdown\"}");
	if (strstr(fake.name, "reset"))
		go_off("{\"guest\": true, \"reason\": \"guest-reset\"}");
}

void nanos_power_button(void)
{
	if (strstr(fake.name, "deaf") && presses++ == 0)
		return;
	console("got 15\n");
	leave(3);
}
