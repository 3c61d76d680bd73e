/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Nanos guest of fake-qemu.c: what QEMU does when a kernel boots, its program ends, or
 * its button is pressed. The machine's name says how it goes: "code-N" ends by the debug port
 * with that code, "off" and "reset" end without it, "silent" writes nothing, "no-disk" cannot
 * open its disk and hangs, "no-firmware" has a firmware that faults and hangs, "deaf" hears the
 * second press of its button only, "hung" none. "says-KIND" writes one of the texts below first.
 * "probing" has QEMU complain of its root. Else it runs until the button is pressed, and then
 * ends with 3.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake.h"

static unsigned int presses;

/* What a kernel says, and what a program might. */
static const struct {
	const char *name, *text;
} texts[] = {
	{ "says-app-disk", "app: unable to open filesystem xyz\n" },
	{ "says-disk-more", "unable to open filesystem: (result:x)\nand goes on\n" },
	{ "says-disk", "unable to open filesystem: (result:x)\n" },
	{ "says-app-startup", "my program startup failed\n" },
	{ "says-startup-more",
	  "program startup failed before exec: (result:no such file)\nbut it runs\n" },
	{ "says-startup", "program startup failed before exec: (result:no such file)\n" },
	{ "says-terminate", "   terminate\n" },
	{ "says-core", "   core dump\n" },
	{ "says-stop", "   stop\n" },
	{ "says-segv",
	  "\n*** signal 11 received by tid 2, errno 0, code 1\n"
	  "    fault address 0x0\n\n*** Thread context:\n rax: 0\n   core dump\n"
	  "[0.365429] storage_shutdown error: no core generated: limit 0\n" },
	{ "says-once", "signal 11 (no core generated: limit 0)\n" },
	{ "says-firmware",
	  "!!!! X64 Exception Type - 0D(#GP - General Protection)  CPU Apic ID - 00000000 "
	  "!!!!\n!!!! Can't find image information. !!!!\n" },
};

static void say(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (strstr(fake.name, texts[i].name)) {
			console("%s", texts[i].text);
			return;
		}
}

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
		/* In two pieces, as it may come. */
		console("unable to open file");
		(void)usleep(100000);
		console("system: (result:out of memory)\n");
		return;
	}
	if (strstr(fake.name, "no-firmware")) {
		console("BdsDxe: starting Boot0001 \"UEFI Misc Device\"\n"
			"!!!! X64 Exception Type - 0D(#GP - General Protection)  CPU Apic ID "
			"- 00000000 !!!!\nRIP  - 0000000000000000\n"
			"!!!! Can't find image information. !!!!\n");
		return;
	}
	if (strstr(fake.name, "probing"))
		(void)fputs(
			"Failed to open /dev/null for OFD lock probing: No such file or "
			"directory\n",
			stderr);
	if (!strstr(fake.name, "silent"))
		console("hello from nanos\n");
	say();
	if (code)
		leave((unsigned int)strtoul(code + 5, NULL, 10));
	if (strstr(fake.name, "off"))
		go_off("{\"guest\": true, \"reason\": \"guest-shutdown\"}");
	if (strstr(fake.name, "reset"))
		go_off("{\"guest\": true, \"reason\": \"guest-reset\"}");
}

void nanos_power_button(void)
{
	if (strstr(fake.name, "hung") || (strstr(fake.name, "deaf") && presses++ == 0))
		return;
	console("got 15\n");
	leave(3);
}
