/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest for tests of machines that boot a disk by UEFI: /EFI/BOOT/BOOTX64.EFI on a FAT file
 * system. It says on the console what it finds, counts its boots in a variable of the
 * firmware and in a file of its disk, and ends as \MODE.TXT there says:
 *
 *	off     powers off
 *	reset   resets at its first boot, powers off at its second
 *	button  waits for the power button, then powers off
 *	deaf    never ends by itself
 *	echo    reads a key, says which, powers off
 *
 * No library: what is used of the UEFI specification 2.9 is declared here.
 */

#include <stddef.h>
#include <stdint.h>

#define SERVICE __attribute__((ms_abi))

typedef uint64_t status_t;
typedef uint16_t text_t; /* UCS-2 */

struct guid {
	uint32_t a;
	uint16_t b, c;
	uint8_t d[8];
};

struct text_out {
	void *reset;
	status_t(SERVICE *write)(struct text_out *, const text_t *);
};

struct key {
	uint16_t scan;
	text_t text;
};

struct text_in {
	void *reset;
	status_t(SERVICE *read)(struct text_in *, struct key *);
};

struct runtime {
	char header[24];
	void *time[4], *address[2];
	status_t(SERVICE *get_variable)(const text_t *, const struct guid *, uint32_t *,
					uint64_t *, void *);
	void *next_variable;
	status_t(SERVICE *set_variable)(const text_t *, const struct guid *, uint32_t,
					uint64_t, const void *);
	void *next_count;
	void(SERVICE *reset)(int kind, status_t, uint64_t, const void *);
};

struct boot {
	char header[24];
	void *tpl[2], *memory[5], *event[6], *protocol[3];
	status_t(SERVICE *handle_protocol)(void *, const struct guid *, void *);
	void *reserved, *rest[4], *image[5], *monotonic;
	status_t(SERVICE *stall)(uint64_t microseconds);
	status_t(SERVICE *watchdog)(uint64_t seconds, uint64_t, uint64_t, const void *);
	void *driver[2], *open[3], *handles[2];
	status_t(SERVICE *locate)(const struct guid *, void *, void *);
};

struct system {
	char header[24];
	text_t *vendor;
	uint32_t revision;
	void *in_handle;
	struct text_in *in;
	void *out_handle;
	struct text_out *out;
	void *error_handle, *error;
	struct runtime *runtime;
	struct boot *boot;
};

struct loaded_image {
	uint32_t revision;
	void *parent;
	struct system *system;
	void *device;
};

struct file {
	uint64_t revision;
	status_t(SERVICE *open)(struct file *, struct file **, const text_t *,
				uint64_t mode, uint64_t attributes);
	status_t(SERVICE *close)(struct file *);
	void *remove;
	status_t(SERVICE *read)(struct file *, uint64_t *, void *);
	status_t(SERVICE *write)(struct file *, uint64_t *, const void *);
};

struct file_system {
	uint64_t revision;
	status_t(SERVICE *open)(struct file_system *, struct file **);
};

struct tcg2 {
	status_t(SERVICE *capability)(struct tcg2 *, void *);
	void *event_log, *extend;
	status_t(SERVICE *submit)(struct tcg2 *, uint32_t, const uint8_t *, uint32_t,
				  uint8_t *);
};

static const struct guid loaded_image_guid = {
	0x5b1b31a1, 0x9562, 0x11d2, { 0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b }
};
static const struct guid file_system_guid = {
	0x964e5b22, 0x6459, 0x11d2, { 0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b }
};
static const struct guid tcg2_guid = {
	0x607f766c, 0x7455, 0x42be, { 0x93, 0x0b, 0xe4, 0xd7, 0x6d, 0xb2, 0x72, 0x0f }
};
static const struct guid own_guid = {
	0x6f1ac3d5, 0x20a4, 0x4c43, { 0x9d, 0x35, 0x5e, 0x19, 0x06, 0x1f, 0x76, 0x6c }
};

enum {
	RESET_COLD,
	RESET_WARM,
	RESET_POWER_OFF
};

#define FILE_READ   1ull
#define FILE_WRITE  2ull
#define FILE_CREATE (1ull << 63)

#define VARIABLE_KEPT 3u /* across boots; only for who runs before an OS */

/* Of the ICH9, where OVMF puts them: the power button sets a bit of the status, if it is
 * enabled. */
#define PM_STATUS 0x600
#define PM_ENABLE 0x602
#define PM_BUTTON 0x100u

static struct system *sys;

static void say(const char *text)
{
	text_t wide[128];
	size_t n = 0;

	for (; *text && n < 125; text++)
		wide[n++] = (text_t)*text;
	wide[n] = 0;
	(void)sys->out->write(sys->out, wide);
}

static void say_number(const char *what, uint32_t n)
{
	char digits[12];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10) && at > 0);
	say(what);
	say(digits + at);
	say("\r\n");
}

static uint16_t port_read(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void port_write(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

/* --- what is there --- */

/* TPM2_GetRandom of 8 bytes: proves a TPM that works, not only one that is announced. */
static void look_at_tpm(void)
{
	static const uint8_t get_random[] = {
		0x80, 0x01, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 8
	};
	uint8_t answer[64] = { 0 };
	struct tcg2 *tpm;

	if (sys->boot->locate(&tcg2_guid, NULL, &tpm) != 0) {
		say("tpm: none\r\n");
		return;
	}
	if (tpm->submit(tpm, sizeof(get_random), get_random, sizeof(answer), answer) ==
		    0 &&
	    answer[6] == 0 && answer[7] == 0 && answer[8] == 0 && answer[9] == 0 &&
	    answer[11] == 8)
		say("tpm: 2.0 works\r\n");
	else
		say("tpm: there, does not answer\r\n");
}

static uint32_t count_in_variable(void)
{
	static const text_t name[] = { 'B', 'o', 'o', 't', 's', 0 };
	uint64_t size = sizeof(uint32_t);
	uint32_t count = 0;

	if (sys->runtime->get_variable(name, &own_guid, NULL, &size, &count) != 0)
		count = 0;
	count++;
	if (sys->runtime->set_variable(name, &own_guid, VARIABLE_KEPT, sizeof(count),
				       &count) != 0)
		say("nvram: cannot be written\r\n");
	say_number("nvram: boot ", count);
	return count;
}

static struct file *open_file(struct file *root, const char *name, uint64_t mode)
{
	struct file *f = NULL;
	text_t wide[16];
	size_t n = 0;

	for (; name[n] && n < 15; n++)
		wide[n] = (text_t)name[n];
	wide[n] = 0;
	return root->open(root, &f, wide, mode, 0) == 0 ? f : NULL;
}

static uint8_t read_byte(struct file *root, const char *name)
{
	struct file *f = open_file(root, name, FILE_READ);
	uint64_t size = 1;
	uint8_t byte = 0;

	if (!f)
		return 0;
	if (f->read(f, &size, &byte) != 0 || size != 1)
		byte = 0;
	(void)f->close(f);
	return byte;
}

/* A digit in \COUNT.TXT. */
static void count_on_disk(struct file *root)
{
	uint8_t digit = read_byte(root, "\\COUNT.TXT");
	uint64_t size = 1;
	struct file *f;

	digit = digit >= '0' && digit < '9' ? digit + 1 : '1';
	f = open_file(root, "\\COUNT.TXT", FILE_CREATE | FILE_READ | FILE_WRITE);
	if (!f || f->write(f, &size, &digit) != 0 || f->close(f) != 0)
		say("disk: cannot be written\r\n");
	else
		say_number("disk: boot ", digit - (uint32_t)'0');
}

/* --- the end --- */

static void __attribute__((noreturn)) end(int how)
{
	sys->runtime->reset(how, 0, 0, NULL);
	for (;;)
		;
}

static void wait_for_button(void)
{
	port_write(PM_STATUS, PM_BUTTON);
	port_write(PM_ENABLE, port_read(PM_ENABLE) | PM_BUTTON);
	say("waits for the button\r\n");
	while (!(port_read(PM_STATUS) & PM_BUTTON))
		(void)sys->boot->stall(10000);
	port_write(PM_STATUS, PM_BUTTON);
	say("the button was pressed\r\n");
}

static void wait_for_key(void)
{
	char text[] = "key: ?\r\n";
	struct key k;

	say("waits for a key\r\n");
	while (sys->in->read(sys->in, &k) != 0)
		(void)sys->boot->stall(10000);
	text[5] = (char)k.text;
	say(text);
}

static void act(uint8_t mode, uint32_t boots)
{
	switch (mode) {
	case 'r':
		if (boots == 1)
			end(RESET_COLD);
		break;
	case 'b':
		wait_for_button();
		break;
	case 'd':
		say("does not listen\r\n");
		for (;;)
			(void)sys->boot->stall(1000000);
	case 'e':
		wait_for_key();
		break;
	default:
		break;
	}
	end(RESET_POWER_OFF);
}

status_t SERVICE efi_main(void *image, struct system *system)
{
	struct loaded_image *self;
	struct file_system *fs;
	struct file *root;
	uint32_t boots;

	sys = system;
	(void)sys->boot->watchdog(0, 0, 0, NULL);
	say("\r\nhello from UEFI\r\n");
	look_at_tpm();
	boots = count_in_variable();
	if (sys->boot->handle_protocol(image, &loaded_image_guid, &self) != 0 ||
	    sys->boot->handle_protocol(self->device, &file_system_guid, &fs) != 0 ||
	    fs->open(fs, &root) != 0) {
		say("disk: none\r\n");
		return 1;
	}
	count_on_disk(root);
	act(read_byte(root, "\\MODE.TXT"), boots);
	return 0;
}
