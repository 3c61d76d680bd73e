/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/machine.h"

#include <string.h>

#include "base/macro.h"

/* What QEMU would add to a PC by itself is switched off where it can be: each device costs
 * the guest a probe. The PIT and PIC stay: the time stamp counter is calibrated by them. */
#define Q35 "q35,usb=off,vmport=off,hpet=off,sata=off,smbus=off"

/* arm64: emulated pointer authentication is QARMA5 unless it may be a hash of QEMU's own,
 * which makes a boot five times as fast. ppc64le: VOF is QEMU's own small firmware, SLOF is
 * emulated and takes 13 s. malta: one processor, because its kernel is built for one, and
 * 2 GiB, the end of what its bus has room for. Its kernel knows the interrupts of four slots
 * alone, so further devices are functions of those.
 *
 * Nanos on a microvm needs ACPI, without which it knows no power button, and hangs at once where
 * there is a second I/O APIC. Its kernel is entered from qboot: on q35 SeaBIOS is where the
 * kernel's first page tables are put. */
const struct machine_row machine_rows[] = {
	{ "x86_64",
	  MACHINE_MICROVM,
	  "microvm,acpi=off,rtc=on,isa-serial=on",
	  "max",
	  "device",
	  "ttyS0",
	  { "qboot.rom", "linuxboot_dma.bin", "pvh.bin" } },
	{ "x86_64",
	  MACHINE_Q35,
	  Q35,
	  "max",
	  "pci",
	  "ttyS0",
	  { "bios-256k.bin", "linuxboot_dma.bin", "pvh.bin", "kvmvapic.bin" } },
	{ "x86_64", MACHINE_UEFI, "q35,usb=off,vmport=off,sata=off,smbus=off", "max",
	  "pci", "ttyS0" },
	{ "i386",
	  MACHINE_Q35,
	  Q35,
	  "max",
	  "pci",
	  "ttyS0",
	  { "bios-256k.bin", "linuxboot_dma.bin", "pvh.bin", "kvmvapic.bin" } },
	{ "arm64", MACHINE_VIRT, "virt,gic-version=max", "max,pauth-impdef=on", "pci",
	  "ttyAMA0" },
	{ "riscv64",
	  MACHINE_VIRT,
	  "virt",
	  "rv64",
	  "pci",
	  "ttyS0",
	  { "opensbi-riscv64-generic-fw_dynamic.bin" } },
	{ "ppc64le",
	  MACHINE_PSERIES,
	  "pseries,x-vof=on",
	  "power9",
	  "pci",
	  "hvc0",
	  { "vof.bin" } },
	{ "mips64el",
	  MACHINE_MALTA,
	  "malta",
	  "MIPS64R2-generic",
	  "pci",
	  "ttyS0",
	  { NULL },
	  1,
	  2048,
	  0x12,
	  4 },
	{ "s390x",
	  MACHINE_CCW,
	  "s390-ccw-virtio",
	  "max",
	  "ccw",
	  "ttysclp0",
	  { "s390-ccw.img" } },
	{ "x86_64",
	  MACHINE_NANOS_MICROVM,
	  "microvm,ioapic2=off,rtc=on,isa-serial=on,auto-kernel-cmdline=off",
	  "max",
	  "device",
	  "ttyS0",
	  { "qboot.rom", "linuxboot_dma.bin", "pvh.bin" } },
	{ "x86_64",
	  MACHINE_NANOS_PCI,
	  Q35,
	  "max",
	  "pci",
	  "ttyS0",
	  { "qboot.rom", "linuxboot_dma.bin", "pvh.bin" } },
	{ "x86_64",
	  MACHINE_NANOS_BIOS,
	  Q35,
	  "max",
	  "pci",
	  "ttyS0",
	  { "bios-256k.bin", "kvmvapic.bin" } },
	{ "x86_64", MACHINE_NANOS_UEFI, Q35, "max", "pci", "ttyS0" },
};
const size_t machine_rows_n = ARRAY_SIZE(machine_rows);

const struct machine_row *machine_row_find(const char *arch, enum machine_kind kind)
{
	for (size_t i = 0; i < machine_rows_n; i++)
		if (strcmp(machine_rows[i].arch, arch) == 0 &&
		    machine_rows[i].kind == kind)
			return &machine_rows[i];
	return NULL;
}
