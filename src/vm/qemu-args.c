/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "guest-init/agent-protocol.h"
#include "guest/kernel.h"
#include "vm/internal.h"
#include "vm/jail.h"
#include "vm/qemu.h"

/* microvm has eight virtio-mmio slots, and without ACPI (which under emulation costs a
 * third of the boot, and hangs it now and then) not one more. */
#define MICROVM_DEVICES 8

#define NANOS_EXIT_PORT 0x501

static int fail_unsupported(const char *arch, struct volt_error *e)
{
	return fail(e, ENOTSUP, "Linux guests of architecture '%s' are not supported",
		    arch);
}

int qemu_check_arch(const char *arch, struct volt_error *e)
{
	for (size_t i = 0; i < machine_rows_n; i++)
		if (strcmp(machine_rows[i].arch, arch) == 0)
			return 0;
	return fail_unsupported(arch, e);
}

static int check_limits(const struct machine_row *row, const struct qemu_size *size,
			struct volt_error *e)
{
	if (row->cpus_max && size->cpus > row->cpus_max)
		return fail(e, ENOTSUP, "a machine for %s has %u CPU at most, not %u",
			    row->arch, row->cpus_max, size->cpus);
	if (row->memory_max && size->memory > (uint64_t)row->memory_max << 20)
		return fail(e, ENOTSUP, "a machine for %s has %u MiB of memory at most",
			    row->arch, row->memory_max);
	return 0;
}

static bool is_microvm_possible(const struct profile *p, unsigned int abilities,
				size_t n_devices)
{
	const unsigned int needed = KERNEL_PVH | KERNEL_MMIO;

	return n_devices <= MICROVM_DEVICES && (abilities & needed) == needed &&
	       (p->capabilities & PROFILE_CAN_MICROVM);
}

int qemu_machine(const struct profile *p, unsigned int abilities,
		 const struct qemu_size *size, const struct machine_row **ret,
		 struct volt_error *e)
{
	bool microvm = is_microvm_possible(p, abilities, size->n_devices);

	for (size_t i = 0; i < machine_rows_n; i++) {
		const struct machine_row *row = &machine_rows[i];

		if (strcmp(row->arch, p->arch->name) != 0 ||
		    machine_is_nanos(row->kind) ||
		    (row->kind == MACHINE_MICROVM && !microvm))
			continue;
		TRY(check_limits(row, size, e));
		*ret = row;
		return 0;
	}
	return fail_unsupported(p->arch->name, e);
}

int qemu_nanos_machine(const struct profile *p, bool pci, const struct qemu_size *size,
		       const struct machine_row **ret, struct volt_error *e)
{
	bool microvm = !pci && size->n_devices <= MICROVM_DEVICES &&
		       (p->capabilities & PROFILE_CAN_MICROVM);
	const struct machine_row *row = machine_row_find(
		p->arch->name, microvm ? MACHINE_NANOS_MICROVM : MACHINE_NANOS_PCI);

	if (!row)
		return fail(e, ENOTSUP, "Nanos guests are for x86_64 only, not '%s'",
			    p->arch->name);
	*ret = row;
	return 0;
}

int qemu_uefi_machine(const char *arch, const struct machine_row **ret,
		      struct volt_error *e)
{
	*ret = machine_row_find(arch, MACHINE_UEFI);
	return *ret ? 0
		    : fail(e, ENOTSUP,
			   "architecture '%s': disks are booted on x86_64 only", arch);
}

/* --- building --- */

struct builder {
	const struct qemu_config *c;
	struct strv *argv;
	struct qemu_fds *fds;
	unsigned int sets; /* of descriptors, so far */
	unsigned int n_devices;
	int failed; /* the first failure; checked once at the end */
};

/* A system of its own, as against one program and what starts it. */
static bool is_system(const struct qemu_config *c)
{
	return c->uefi && !c->nanos;
}

static void add(struct builder *b, const char *text)
{
	if (b->failed == 0)
		b->failed = strv_add(b->argv, text);
}

static _printf_(3, 4) void addf(struct builder *b, const char *option, const char *fmt,
				...)
{
	char *text = NULL;
	va_list ap;

	add(b, option);
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		b->failed = -ENOMEM;
	else if (b->failed == 0)
		b->failed = strv_take(b->argv, text);
	else
		free(text);
	va_end(ap);
}

/* Takes @j. */
static void add_json(struct builder *b, const char *option, json_t *j)
{
	char *text = j ? json_text(j) : NULL;

	json_decref(j);
	add(b, option);
	if (!text)
		b->failed = -ENOMEM;
	else if (b->failed == 0)
		b->failed = strv_take(b->argv, text);
	else
		free(text);
}

static int keep(struct builder *b, int fd)
{
	if (b->fds->n == QEMU_FDS_MAX)
		b->failed = -E2BIG;
	else
		b->fds->v[b->fds->n++] = fd;
	return fd;
}

static void set(json_t *j, const char *key, json_t *value)
{
	/* A failure leaves an incomplete device, which QEMU would refuse: seen there. */
	(void)json_object_set_new(j, key, value);
}

/* Where the next device is on a bus with few slots: first one in each, then more. */
static void set_slot(struct builder *b, json_t *j)
{
	const struct machine_row *row = b->c->machine;
	unsigned int n = b->n_devices++;

	if (row->slots == 0)
		return;
	if (n / row->slots > 7)
		b->failed = -E2BIG;
	set(j, "addr", json_sprintf("%x.%x", row->slot + n % row->slots, n / row->slots));
	if (n < row->slots)
		set(j, "multifunction", json_true());
}

/* A virtio device of the machine's kind: {"driver": "virtio-<kind>-<suffix>"}. */
static json_t *device(struct builder *b, const char *kind)
{
	json_t *j = json_pack("{s:o}", "driver",
			      json_sprintf("%s-%s", kind, b->c->machine->suffix));

	/* A legacy device's ports may lie over the one that Nanos exits by. */
	if (b->c->nanos && strcmp(b->c->machine->suffix, "pci") == 0)
		set(j, "disable-legacy", json_string("on"));

	set_slot(b, j);
	return j;
}

static void add_chardev(struct builder *b, const char *id, int fd)
{
	addf(b, "-chardev", "socket,id=%s,fd=%d", id, keep(b, fd));
}

/* The profile's tree as this QEMU sees it: the jail's root is one. */
static const char *tree(const struct qemu_config *c)
{
	return c->jailed ? "" : c->profile->path;
}

static bool has_tree(const struct qemu_config *c)
{
	return c->profile->path != NULL;
}

/* A profile runs by its own loader and libraries only. Told by an option, not by
 * LD_LIBRARY_PATH: whatever QEMU starts would inherit that. */
static void add_program(struct builder *b)
{
	const struct profile *p = b->c->profile;
	const char *at = tree(b->c);

	if (!has_tree(b->c)) {
		add(b, p->qemu);
		return;
	}
	if (b->failed == 0 && p->loader)
		b->failed = strv_addf(b->argv, "%s/%s", at, p->loader);
	if (p->loader) {
		addf(b, "--library-path", "%s/lib", at);
		addf(b, "--argv0", "%s/%s", at, p->qemu);
	}
	if (b->failed == 0)
		b->failed = strv_addf(b->argv, "%s/%s", at, p->qemu);
}

static void add_firmware(struct builder *b)
{
	const char *firmware = b->c->profile->firmware;

	if (firmware && *firmware == '/')
		addf(b, "-L", "%s", firmware);
	else if (firmware)
		addf(b, "-L", "%s/%s", tree(b->c), firmware);
}

/* QEMU is told whole mebibytes. */
static uint64_t mebibytes(const struct qemu_config *c)
{
	return (c->memory + (1u << 20) - 1) >> 20;
}

static void add_machine(struct builder *b)
{
	const struct qemu_config *c = b->c;
	bool shared = false;

	for (size_t i = 0; i < c->n_shares; i++)
		shared |= c->shares[i].virtiofs;
	/* By its loader's name nobody would know it. */
	addf(b, "-name", "volt-%s%s%s", c->name,
	     has_tree(c) && c->profile->loader ? ",process=qemu-system-" : "",
	     has_tree(c) && c->profile->loader ? c->profile->arch->qemu : "");
	addf(b, "-machine", "%s%s%s", c->machine->type,
	     shared ? ",memory-backend=mem" : "",
	     c->uefi ? ",pflash0=code,pflash1=vars" : "");
	if (c->accel == ACCEL_KVM)
		addf(b, "-accel", "kvm");
	else
		/* One thread serves one processor, and not every architecture's code in QEMU
		 * can do with more. */
		addf(b, "-accel", "tcg,thread=%s",
		     c->machine->cpus_max == 1 ? "single" : "multi");
	addf(b, "-cpu", "%s", c->accel == ACCEL_KVM ? "host" : c->machine->cpu);
	addf(b, "-smp", "%u", c->cpus);
	addf(b, "-m", "%lluM", (unsigned long long)mebibytes(c));
	if (shared)
		add_json(b, "-object",
			 json_pack("{s:s, s:s, s:I, s:b}", "qom-type",
				   "memory-backend-memfd", "id", "mem", "size",
				   (json_int_t)mebibytes(c) * (1 << 20), "share", 1));
}

static void add_confinement(struct builder *b)
{
	static const char *const options[] = {
		"-nodefaults",
		"-no-user-config",
		"-display",
		"none",
		"-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		add(b, options[i]);
	add_firmware(b);
	/* A reset is the end of one program, but a step in the life of a system. */
	if (!is_system(b->c))
		add(b, "-no-reboot");
	if (machine_is_microvm(b->c->machine->kind))
		addf(b, "-global", "virtio-mmio.force-legacy=false");
}

static void add_boot(struct builder *b)
{
	if (b->c->kernel < 0)
		return;
	if (b->c->jailed) {
		addf(b, "-kernel", "/" QEMU_JAIL_KERNEL);
		if (b->c->initramfs >= 0)
			addf(b, "-initrd", "/" QEMU_JAIL_INITRAMFS);
	} else {
		addf(b, "-kernel", "/proc/self/fd/%d", keep(b, b->c->kernel));
		if (b->c->initramfs >= 0)
			addf(b, "-initrd", "/proc/self/fd/%d", keep(b, b->c->initramfs));
	}
	if (b->c->cmdline)
		addf(b, "-append", "%s", b->c->cmdline);
	if (b->c->nanos)
		addf(b, "-bios", "qboot.rom");
}

static void add_agent(struct builder *b)
{
	json_t *port;

	add_chardev(b, "agent", b->c->agent);
	add_json(b, "-device", device(b, "virtio-serial"));
	port = json_pack("{s:s, s:s, s:s}", "driver", "virtserialport", "chardev",
			 "agent", "name", AGENT_PORT);
	add_json(b, "-device", port);
}

static void add_channels(struct builder *b)
{
	add_chardev(b, "qmp", b->c->qmp);
	addf(b, "-mon", "chardev=qmp,mode=control");
	add_chardev(b, "console", b->c->console);
	addf(b, "-serial", "chardev:console");
	if (!b->c->uefi && !b->c->nanos)
		add_agent(b);
}

/* The file of a disk: one that stands in the jail, or a descriptor. */
static json_t *disk_file(struct builder *b, const struct qemu_disk *d)
{
	unsigned int set_id;

	if (jail_shows_disk(b->c, d))
		return json_sprintf("/%s", d->serial);
	set_id = ++b->sets;
	addf(b, "-add-fd", "fd=%d,set=%u", keep(b, d->fd), set_id);
	return json_sprintf("/dev/fdset/%u", set_id);
}

/* The node @name; the format is said, never guessed. */
static void add_node(struct builder *b, const struct qemu_disk *d, const char *name)
{
	json_t *file, *j;

	if (d->base)
		add_node(b, d->base, d->base->serial);
	file = disk_file(b, d);
	j = json_pack("{s:s, s:s, s:b, s:s, s:{s:s, s:o}}", "driver",
		      d->format == DISK_QCOW2 ? "qcow2" : "raw", "node-name", name,
		      "read-only", d->read_only, "discard", "unmap", "file", "driver",
		      "file", "filename", file);
	if (j && !d->read_only)
		set(j, "detect-zeroes", json_string("unmap"));
	/* Whatever its header may say by now. */
	if (j && d->format == DISK_QCOW2)
		set(j, "backing", d->base ? json_string(d->base->serial) : json_null());
	add_json(b, "-blockdev", j);
}

static void add_disk(struct builder *b, const struct qemu_disk *d)
{
	const struct qemu_uefi *uefi = b->c->uefi;
	json_t *j = uefi && uefi->generic ? json_pack("{s:s}", "driver", "nvme")
					  : device(b, "virtio-blk");

	add_node(b, d, d->serial);
	set(j, "drive", json_string(d->serial));
	set(j, "serial", json_string(d->serial));
	if ((b->c->uefi || b->c->kernel < 0) && d == b->c->disks)
		set(j, "bootindex", json_integer(0));
	add_json(b, "-device", j);
}

static void add_flash(struct builder *b, const struct qemu_uefi *u)
{
	const struct qemu_disk code = { .fd = u->code, .read_only = true };
	const struct qemu_disk vars = { .fd = u->vars };

	add_node(b, &code, "code");
	add_node(b, &vars, "vars");
}

static void add_tpm(struct builder *b, int fd)
{
	add_chardev(b, "tpm", fd);
	addf(b, "-tpmdev", "emulator,id=tpm0,chardev=tpm");
	addf(b, "-device", "tpm-crb,tpmdev=tpm0");
}

/* VNC listens nowhere: its clients are handed over. No device brings a ROM of its own: the
 * firmware has drivers. Suspended to memory a machine would have nobody to wake it. */
static void add_uefi(struct builder *b)
{
	const struct qemu_uefi *u = b->c->uefi;

	add_flash(b, u);
	if (b->c->nanos)
		return;
	addf(b, "-vnc", "none");
	add_json(b, "-device", json_pack("{s:s, s:s}", "driver", "VGA", "romfile", ""));
	add_json(b, "-device", json_pack("{s:s}", "driver", "qemu-xhci"));
	add_json(b, "-device", json_pack("{s:s}", "driver", "usb-tablet"));
	addf(b, "-global", "ICH9-LPC.disable_s3=1");
	if (u->tpm >= 0)
		add_tpm(b, u->tpm);
}

static void add_network(struct builder *b)
{
	bool generic = b->c->uefi && b->c->uefi->generic;
	json_t *j;

	if (!b->c->link)
		return;
	if (b->c->link->fd >= 0)
		(void)keep(b, b->c->link->fd);
	add_json(b, "-netdev", net_netdev(b->c->link, b->c->ports));
	j = generic ? json_pack("{s:s}", "driver", "e1000e") : device(b, "virtio-net");
	set(j, "netdev", json_string("net0"));
	set(j, "mac", json_string(b->c->link->mac));
	if (b->c->link->mtu && !generic)
		set(j, "host_mtu", json_integer(b->c->link->mtu));
	if (strcmp(b->c->machine->suffix, "pci") == 0)
		set(j, "romfile", json_string(""));
	add_json(b, "-device", j);
}

/* A directory that QEMU held open would be a way out of the jail. */
static void add_fsdev(struct builder *b, const struct qemu_share *s)
{
	static const char how[] = "security_model=none,multidevs=remap";
	const char *ro = s->read_only ? ",readonly=on" : "";

	if (b->c->jailed)
		addf(b, "-fsdev", "local,id=%s,path=/%s,%s%s", s->tag, s->tag, how, ro);
	else
		addf(b, "-fsdev", "local,id=%s,path=/proc/self/fd/%d,%s%s", s->tag,
		     keep(b, s->fd), how, ro);
}

static void add_share(struct builder *b, const struct qemu_share *s)
{
	json_t *j;

	if (s->virtiofs) {
		add_chardev(b, s->tag, s->fd);
		j = device(b, "vhost-user-fs");
		set(j, "chardev", json_string(s->tag));
		set(j, "tag", json_string(s->tag));
	} else {
		add_fsdev(b, s);
		j = device(b, "virtio-9p");
		set(j, "fsdev", json_string(s->tag));
		set(j, "mount_tag", json_string(*s->mount ? s->mount : s->tag));
	}
	add_json(b, "-device", j);
}

/* What its kernel writes there is QEMU's exit status, and the program's. */
static void add_exit(struct builder *b)
{
	add_json(b, "-device",
		 json_pack("{s:s, s:i, s:i}", "driver", "isa-debug-exit", "iobase",
			   NANOS_EXIT_PORT, "iosize", 2));
}

static void add_helpful(struct builder *b)
{
	json_t *balloon;

	add_json(b, "-device", device(b, "virtio-rng"));
	balloon = device(b, "virtio-balloon");
	set(balloon, "free-page-reporting", json_true());
	add_json(b, "-device", balloon);
}

int qemu_args(const struct qemu_config *c, struct strv *argv, struct qemu_fds *fds,
	      struct volt_error *e)
{
	struct builder b = { .c = c, .argv = argv, .fds = fds };
	add_program(&b);
	add_machine(&b);
	add_confinement(&b);
	if (c->uefi)
		add_uefi(&b);
	else
		add_boot(&b);
	if (c->nanos) {
		add_exit(&b);
		add(&b, "-S");
	}
	add_channels(&b);
	for (size_t i = 0; i < c->n_disks; i++)
		add_disk(&b, &c->disks[i]);
	if (!c->uefi || !c->uefi->generic)
		add_helpful(&b);
	add_network(&b);
	for (size_t i = 0; i < c->n_shares; i++)
		add_share(&b, &c->shares[i]);
	return b.failed < 0 ? fail_code(e, b.failed, "build QEMU's command line") : 0;
}

int qemu_environment(const struct qemu_config *c, struct strv *env, struct volt_error *e)
{
	int r = has_tree(c) ? strv_addf(env, "QEMU_MODULE_DIR=%s/lib/qemu", tree(c)) : 0;

	return r < 0 ? fail_oom(e) : 0;
}
