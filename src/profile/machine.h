/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "profile/profile.h"

/* The machines that QEMU shows to guests: one row for each kind of an architecture. What
 * builds command lines, kernels' command lines and profiles reads this table, so that a
 * profile holds the firmware that its machines open. */
enum machine_kind {
	MACHINE_MICROVM,
	MACHINE_Q35,
	MACHINE_VIRT, /* arm64, riscv64 */
	MACHINE_PSERIES,
	MACHINE_MALTA,
	MACHINE_CCW,  /* s390x: virtio devices are on channels, there is no PCI */
	MACHINE_UEFI, /* boots a disk: no kernel is given */
	/* Of Nanos guests: given a kernel, without PCI and with it, and booting from a disk. */
	MACHINE_NANOS_MICROVM,
	MACHINE_NANOS_PCI,
	MACHINE_NANOS_BIOS,
	MACHINE_NANOS_UEFI
};

static inline bool machine_is_nanos(enum machine_kind kind)
{
	return kind >= MACHINE_NANOS_MICROVM;
}

static inline bool machine_is_microvm(enum machine_kind kind)
{
	return kind == MACHINE_MICROVM || kind == MACHINE_NANOS_MICROVM;
}

struct machine_row {
	const char *arch; /* volt's word */
	enum machine_kind kind;
	const char *type;         /* -machine */
	const char *cpu;          /* -cpu where it is emulated; KVM has "host" */
	const char *suffix;       /* of virtio devices: virtio-blk-<suffix> */
	const char *console;      /* Linux's name for the first serial port */
	const char *firmware[4];  /* what a kernel given directly needs below -L */
	unsigned int cpus_max;    /* 0: no limit of its own */
	unsigned int memory_max;  /* MiB; 0: no limit of its own */
	unsigned int slot, slots; /* first and number of its PCI slots; 0: any will do */
};

/* The rows in the order of preference of each architecture; those of Nanos come last. */
extern const struct machine_row machine_rows[];
extern const size_t machine_rows_n;

/* The row, or NULL. */
const struct machine_row *machine_row_find(const char *arch, enum machine_kind kind);
