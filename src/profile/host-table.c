/* SPDX-License-Identifier: Apache-2.0 */
/* What QEMU opens was found by tracing it, and tests/vm/test-firmware does so again with
 * every machine: it fails where a file is missing here, or is never opened. A boot that
 * misses linuxboot_dma.bin or pvh.bin ends without a word. */
#include <string.h>

#include "profile/host.h"

#define KVM_LINUX       (1u << PROFILE_KVM_LINUX)
#define KVM_UEFI        (1u << PROFILE_KVM_UEFI)
#define EMULATE_X86     (1u << PROFILE_EMULATE_X86)
#define EMULATE_FOREIGN (1u << PROFILE_EMULATE_FOREIGN)

#define DISK (KVM_UEFI | EMULATE_X86) /* UEFI, and a screen by VNC */

static const struct host_place places[] = {
	{ "AAVMF_CODE.fd", "qemu-efi-aarch64", { "/usr/share/AAVMF/AAVMF_CODE.fd" } },
	{ "AAVMF_VARS.fd", "qemu-efi-aarch64", { "/usr/share/AAVMF/AAVMF_VARS.fd" } },
	{ "OVMF_CODE.fd", "ovmf", { "/usr/share/OVMF/OVMF_CODE_4M.fd" } },
	{ "OVMF_VARS.fd", "ovmf", { "/usr/share/OVMF/OVMF_VARS_4M.fd" } },
	{ "bios-256k.bin",
	  "seabios",
	  { "/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/bios-256k.bin" } },
	{ "keymaps/en-us", "qemu-system-data", { "/usr/share/qemu/keymaps/en-us" } },
	{ "kvmvapic.bin", "qemu-system-data", { "/usr/share/qemu/kvmvapic.bin" } },
	{ "linuxboot_dma.bin",
	  "qemu-system-data",
	  { "/usr/share/qemu/linuxboot_dma.bin" } },
	{ "opensbi-riscv64-generic-fw_dynamic.bin",
	  "qemu-system-data",
	  { "/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin" } },
	{ "pvh.bin", "qemu-system-data", { "/usr/share/qemu/pvh.bin" } },
	{ "qboot.rom", "qemu-system-data", { "/usr/share/qemu/qboot.rom" } },
	{ "s390-ccw.img", "qemu-system-data", { "/usr/share/qemu/s390-ccw.img" } },
	{ "vof.bin", "qemu-system-data", { "/usr/share/qemu/vof.bin" } },
};

/* For machines that boot a disk by UEFI. No card's ROM is here: volt gives each an empty one. */
static const struct host_extra extras[] = {
	{ KVM_UEFI, "x86_64", "kvmvapic.bin", 0, 0 },
	{ DISK, "x86_64", "OVMF_CODE.fd", PROFILE_CAN_UEFI, EMULATE_X86 },
	{ DISK, "x86_64", "OVMF_VARS.fd", PROFILE_CAN_UEFI, EMULATE_X86 },
	{ KVM_UEFI, "aarch64", "AAVMF_CODE.fd", PROFILE_CAN_UEFI, 0 },
	{ KVM_UEFI, "aarch64", "AAVMF_VARS.fd", PROFILE_CAN_UEFI, 0 },
	{ DISK, NULL, "keymaps/en-us", PROFILE_CAN_VNC, 0 },
};

static const struct {
	unsigned int profiles;
	const char *name;
} modules[] = {
	{ EMULATE_X86 | EMULATE_FOREIGN, "accel-tcg-" },
};

static const char *const foreign[] = { "aarch64", "riscv64", "ppc64", "mips64el",
				       "s390x" };

const struct host_place *host_place_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (strcmp(places[i].name, name) == 0)
			return &places[i];
	return NULL;
}

const struct host_extra *host_extra_row(size_t i)
{
	return i < ARRAY_SIZE(extras) ? &extras[i] : NULL;
}

bool host_boots_kernels(enum profile_name name)
{
	return name != PROFILE_KVM_UEFI;
}

const struct profile_arch *host_guest(enum profile_name name, size_t i)
{
	switch (name) {
	case PROFILE_KVM_LINUX:
	case PROFILE_KVM_UEFI:
		return i == 0 ? profile_arch_find(NULL) : NULL;
	case PROFILE_EMULATE_X86:
		return i == 0 ? profile_arch_find("x86_64") : NULL;
	case PROFILE_EMULATE_FOREIGN:
		return i < ARRAY_SIZE(foreign) ? profile_arch_find(foreign[i]) : NULL;
	}
	return NULL;
}

const char *host_module(enum profile_name name, size_t i)
{
	size_t n = 0;

	for (size_t k = 0; k < ARRAY_SIZE(modules); k++)
		if ((modules[k].profiles & (1u << name)) && n++ == i)
			return modules[k].name;
	return NULL;
}

unsigned int host_capabilities(enum profile_name name)
{
	unsigned int can = PROFILE_CAN_VIRTIOFS;

	can |= (1u << name) & (KVM_LINUX | KVM_UEFI) ? PROFILE_CAN_KVM : PROFILE_CAN_TCG;
	if ((1u << name) & DISK)
		can |= PROFILE_CAN_TPM;
	return can;
}
