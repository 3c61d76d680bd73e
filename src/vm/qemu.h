/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "volt.h"

#include "base/strv.h"
#include "net/user.h"
#include "profile/machine.h"
#include "profile/profile.h"
#include "vm/disk.h"
#include "vm/volume-disks.h"

/* What a QEMU is started with. Everything it opens is handed to it as a descriptor or stands
 * in its jail, so it needs no access to any path but its own program and firmware, and no
 * text of a user's reaches its command line: names are valid ones, the rest are numbers. */

struct qemu_disk {
	const char *serial; /* "root", "upper", "disk" */
	int fd;
	bool read_only;
	enum disk_format format;      /* DISK_UNKNOWN is raw */
	const struct qemu_disk *base; /* what is behind a qcow2 image; NULL: nothing */
};

/* A machine that boots its first disk by UEFI. It has a screen, for clients that are handed
 * over by QMP's add_client, a keyboard and a tablet. */
struct qemu_uefi {
	int code, vars; /* flash: the firmware and its variables */
	int tpm;        /* swtpm's control channel; -1: none */
	bool generic;   /* NVMe and e1000e instead of virtio */
};

struct qemu_share {
	char tag[24];   /* "v0", "v1", … */
	char mount[24]; /* what the guest calls it; "": the same */
	int fd;         /* virtiofsd's socket, or the directory for 9p */
	bool virtiofs;
	bool read_only;
};

#define QEMU_DISKS_MAX (2 + VOLUME_DISKS_MAX)
#define QEMU_FDS_MAX   64

struct qemu_config {
	const struct profile *profile;
	bool jailed;      /* it runs in the root that jail_make() makes */
	const char *name; /* the machine's */
	enum accel accel;
	const struct machine_row *machine;
	unsigned int cpus;
	uint64_t memory;
	const char *cmdline;
	int kernel, initramfs;        /* -1: none, the disk boots by itself */
	const struct qemu_uefi *uefi; /* not NULL: instead of a kernel and the agent */
	bool nanos; /* one program and no agent; with UEFI flash alone is taken of that */
	int qmp, agent, console;
	struct qemu_disk disks[QEMU_DISKS_MAX];
	size_t n_disks;
	const struct qemu_share *shares;
	size_t n_shares;
	const struct net_link *link; /* NULL: no network */
	const struct ports *ports;
};

struct qemu_fds {
	int v[QEMU_FDS_MAX];
	size_t n;
};

/* -ENOTSUP where volt has no machine for guests of @arch (its own word). */
int qemu_check_arch(const char *arch, struct volt_error *e);

struct qemu_size {
	size_t n_devices;
	unsigned int cpus;
	uint64_t memory;
};

/* Which machine: microvm, where the kernel, the QEMU and the number of devices allow it,
 * boots in half the time of q35. -ENOTSUP for an architecture without one, or for more of
 * something than its machine has room for. */
int qemu_machine(const struct profile *p, unsigned int kernel_abilities,
		 const struct qemu_size *size, const struct machine_row **ret,
		 struct volt_error *e);

/* The machine of a Nanos guest whose kernel is given: microvm, unless something of it needs
 * PCI. */
int qemu_nanos_machine(const struct profile *p, bool pci, const struct qemu_size *size,
		       const struct machine_row **ret, struct volt_error *e);

/* The machine that boots disks by UEFI; -ENOTSUP. */
int qemu_uefi_machine(const char *arch, const struct machine_row **ret,
		      struct volt_error *e);

/* Appends the whole command line, program first, and the descriptors it names. */
int qemu_args(const struct qemu_config *c, struct strv *argv, struct qemu_fds *fds,
	      struct volt_error *e);

/* Its environment: nothing for a QEMU that is no profile's, which gets a clean one. */
int qemu_environment(const struct qemu_config *c, struct strv *env, struct volt_error *e);

/* In the jail these stand for descriptors; "v0", "v1", … for shares by 9p. */
#define QEMU_JAIL_KERNEL    "kernel"
#define QEMU_JAIL_INITRAMFS "initramfs"
