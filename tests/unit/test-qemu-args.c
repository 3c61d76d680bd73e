/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>

#include "guest/kernel.h"
#include "tap.h"
#include "vm/qemu.h"

#define MIB           (1ull << 20)
#define ALL_ABILITIES (KERNEL_PVH | KERNEL_PCI | KERNEL_MMIO)

static struct volt_error e;

static struct profile profile(const char *arch)
{
	return (struct profile){ .arch = profile_arch_find(arch),
				 .qemu = (char *)"/usr/bin/qemu",
				 .firmware = (char *)"/usr/share/qemu",
				 .capabilities = PROFILE_CAN_MICROVM };
}

static struct qemu_config config(const struct profile *p)
{
	return (struct qemu_config){
		.profile = p,
		.name = "web",
		.accel = ACCEL_TCG,
		.machine = machine_row_find(p->arch->name, MACHINE_MICROVM),
		.cpus = 2,
		.memory = 256 << 20,
		.cmdline = "quiet",
		.kernel = 10,
		.initramfs = 11,
		.qmp = 12,
		.agent = 13,
		.console = 14,
		.disks = { { "root", 15, true }, { "upper", 16, false } },
		.n_disks = 2
	};
}

/* The @nth value of @option. */
static const char *value(const struct strv *a, const char *option, int nth)
{
	for (size_t i = 0; i + 1 < a->n; i++)
		if (strcmp(a->v[i], option) == 0 && nth-- == 0)
			return a->v[i + 1];
	return "";
}

static bool has(const struct strv *a, const char *word)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], word) == 0)
			return true;
	return false;
}

/* Whether a -device is @driver. */
static bool has_device(const struct strv *a, const char *driver)
{
	bool found = false;

	for (size_t i = 0; i + 1 < a->n; i++) {
		json_auto_t *j = NULL;
		const char *text;

		if (strcmp(a->v[i], "-device") != 0)
			continue;
		j = json_loads(a->v[i + 1], 0, NULL);
		text = json_string_value(json_object_get(j, "driver"));
		found |= text && strcmp(text, driver) == 0;
	}
	return found;
}

static void microvm_is_taken_where_it_can_be(void)
{
	const struct qemu_size eight = { .n_devices = 8, .cpus = 1 },
			       nine = { .n_devices = 9, .cpus = 1 };
	struct profile x86 = profile("x86_64");
	const struct machine_row *m;

	CHECK_INT(qemu_machine(&x86, ALL_ABILITIES, &eight, &m, &e), 0);
	CHECK_INT(m->kind, MACHINE_MICROVM);
	CHECK_INT(qemu_machine(&x86, ALL_ABILITIES, &nine, &m, &e), 0);
	CHECK_INT(m->kind, MACHINE_Q35);
	CHECK_INT(qemu_machine(&x86, KERNEL_PVH | KERNEL_PCI, &eight, &m, &e), 0);
	CHECK_INT(m->kind, MACHINE_Q35);
	x86.capabilities = 0;
	CHECK_INT(qemu_machine(&x86, ALL_ABILITIES, &eight, &m, &e), 0);
	CHECK_INT(m->kind, MACHINE_Q35);
}

/* Machine, processor and devices of every architecture there is a row for. */
static void a20_each_architecture_has_its_machine(void)
{
	static const struct {
		const char *arch, *machine, *cpu, *disk;
	} want[] = {
		{ "x86_64", "q35,", "max", "virtio-blk-pci" },
		{ "i386", "q35,", "max", "virtio-blk-pci" },
		{ "arm64", "virt,gic-version=max", "max,pauth-impdef=on",
		  "virtio-blk-pci" },
		{ "riscv64", "virt", "rv64", "virtio-blk-pci" },
		{ "ppc64le", "pseries,x-vof=on", "power9", "virtio-blk-pci" },
		{ "mips64el", "malta", "MIPS64R2-generic", "virtio-blk-pci" },
		{ "s390x", "s390-ccw-virtio", "max", "virtio-blk-ccw" },
	};
	const struct qemu_size size = { .n_devices = 3, .cpus = 1, .memory = 256 * MIB };

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		_cleanup_strv_ struct strv a = { 0 };
		struct profile p = profile(want[i].arch);
		struct qemu_config c = config(&p);
		struct qemu_fds fds = { 0 };

		CHECK_INT(qemu_machine(&p, KERNEL_PCI, &size, &c.machine, &e), 0);
		CHECK_STR(c.machine->arch, want[i].arch);
		CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
		CHECK(strncmp(value(&a, "-machine", 0), want[i].machine,
			      strlen(want[i].machine)) == 0);
		CHECK_STR(value(&a, "-cpu", 0), want[i].cpu);
		CHECK(has_device(&a, want[i].disk));
	}
}

/* The kernel for malta knows the interrupts of slots 0x12 to 0x15 alone. */
static void malta_s_devices_share_its_four_slots(void)
{
	static const char *const want[] = { "12.0", "13.0", "14.0", "15.0", "12.1" };
	_cleanup_strv_ struct strv a = { 0 };
	struct profile p = profile("mips64el");
	struct qemu_config c = config(&p);
	struct qemu_fds fds = { 0 };
	size_t n = 0;

	c.machine = machine_row_find("mips64el", MACHINE_MALTA);
	CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
	CHECK_STR(value(&a, "-accel", 0), "tcg,thread=single");
	for (int i = 0; n < ARRAY_SIZE(want) && *value(&a, "-device", i); i++) {
		json_auto_t *j = json_loads(value(&a, "-device", i), 0, NULL);
		const char *addr = json_string_value(json_object_get(j, "addr"));

		if (!addr) /* the port, which is on a bus of its own */
			continue;
		CHECK_STR(addr, want[n]);
		CHECK_INT(json_is_true(json_object_get(j, "multifunction")), n < 4);
		n++;
	}
	CHECK_INT(n, ARRAY_SIZE(want));
}

static void every_row_belongs_to_an_architecture(void)
{
	for (size_t i = 0; i < machine_rows_n; i++) {
		const struct machine_row *row = &machine_rows[i];
		const struct profile_arch *arch = profile_arch_find(row->arch);

		CHECK(arch && strcmp(arch->name, row->arch) == 0);
		CHECK(machine_row_find(row->arch, row->kind) == row);
		CHECK(row->type && row->cpu && row->suffix && row->console);
	}
	CHECK(!machine_row_find("s390x", MACHINE_VIRT));
	CHECK(!machine_row_find("vax", MACHINE_VIRT));
}

static void what_a_machine_has_no_room_for_is_refused(void)
{
	struct qemu_size size = { .n_devices = 3, .cpus = 2, .memory = 256 * MIB };
	struct profile mips = profile("mips64el"), arm32 = profile("arm");
	const struct machine_row *m;

	CHECK_INT(qemu_machine(&mips, KERNEL_PCI, &size, &m, &e), -ENOTSUP);
	CHECK_STR(e.msg, "a machine for mips64el has 1 CPU at most, not 2");
	size.cpus = 1;
	size.memory = 2049 * MIB;
	CHECK_INT(qemu_machine(&mips, KERNEL_PCI, &size, &m, &e), -ENOTSUP);
	CHECK_STR(e.msg, "a machine for mips64el has 2048 MiB of memory at most");
	size.memory = 2048 * MIB;
	CHECK_INT(qemu_machine(&mips, KERNEL_PCI, &size, &m, &e), 0);
	CHECK_INT(qemu_machine(&arm32, KERNEL_PCI, &size, &m, &e), -ENOTSUP);
	CHECK_STR(e.msg, "Linux guests of architecture 'arm' are not supported");
}

static void a27_b33_qemu_is_confined(void)
{
	_cleanup_strv_ struct strv a = { 0 };
	struct profile p = profile("x86_64");
	struct qemu_config c = config(&p);
	struct qemu_fds fds = { 0 };

	CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
	CHECK(has(&a, "-nodefaults") && has(&a, "-no-user-config") &&
	      has(&a, "-no-reboot"));
	CHECK_STR(value(&a, "-display", 0), "none");
	CHECK(strstr(value(&a, "-sandbox", 0), "spawn=deny"));
	CHECK_STR(value(&a, "-name", 0), "volt-web");
	CHECK_STR(value(&a, "-mon", 0), "chardev=qmp,mode=control");
	CHECK(has_device(&a, "virtio-rng-device"));
	CHECK(has_device(&a, "virtio-balloon-device"));
	CHECK(!has(&a, "-daemonize") && !has(&a, "-monitor") && !has(&a, "mon:stdio"));
}

static void b32_accelerator_and_cpu_go_together(void)
{
	_cleanup_strv_ struct strv tcg = { 0 }, kvm = { 0 };
	struct profile p = profile("x86_64");
	struct qemu_config c = config(&p);
	struct qemu_fds fds = { 0 };

	CHECK_INT(qemu_args(&c, &tcg, &fds, &e), 0);
	CHECK_STR(value(&tcg, "-cpu", 0), "max");
	c.accel = ACCEL_KVM;
	fds.n = 0;
	CHECK_INT(qemu_args(&c, &kvm, &fds, &e), 0);
	CHECK_STR(value(&kvm, "-accel", 0), "kvm");
	CHECK_STR(value(&kvm, "-cpu", 0), "host");
}

static bool fd_is_kept(const struct qemu_fds *fds, int fd)
{
	for (size_t i = 0; i < fds->n; i++)
		if (fds->v[i] == fd)
			return true;
	return false;
}

static void everything_is_handed_over_open(void)
{
	_cleanup_strv_ struct strv a = { 0 };
	struct profile p = profile("x86_64");
	struct qemu_config c = config(&p);
	struct qemu_fds fds = { 0 };

	CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
	for (int fd = 10; fd <= 16; fd++)
		CHECK(fd_is_kept(&fds, fd));
	CHECK_STR(value(&a, "-kernel", 0), "/proc/self/fd/10");
	CHECK_STR(value(&a, "-add-fd", 0), "fd=15,set=1");
}

static void b37_the_root_cannot_be_written(void)
{
	_cleanup_strv_ struct strv a = { 0 };
	struct profile p = profile("x86_64");
	struct qemu_config c = config(&p);
	struct qemu_fds fds = { 0 };
	json_auto_t *root = NULL, *upper = NULL;

	CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
	root = json_loads(value(&a, "-blockdev", 0), 0, NULL);
	upper = json_loads(value(&a, "-blockdev", 1), 0, NULL);
	CHECK(json_is_true(json_object_get(root, "read-only")));
	CHECK(json_is_false(json_object_get(upper, "read-only")));
	CHECK_STR(json_string_value(json_object_get(upper, "discard")), "unmap");
}

static struct qemu_config disk_config(const struct profile *p, const struct qemu_uefi *u)
{
	struct qemu_config c = config(p);

	c.machine = machine_row_find("x86_64", MACHINE_UEFI);
	c.kernel = c.initramfs = c.agent = -1;
	c.uefi = u;
	c.disks[0] = (struct qemu_disk){ "disk", 15, false, DISK_QCOW2 };
	c.n_disks = 1;
	return c;
}

static void a18_a_disk_boots_by_flash_and_has_all_as_descriptors(void)
{
	static const int passed[] = { 12, 14, 15, 20, 21, 22 };
	const struct qemu_uefi u = { .code = 20, .vars = 21, .tpm = 22 };
	_cleanup_strv_ struct strv a = { 0 };
	struct profile p = profile("x86_64");
	struct qemu_config c = disk_config(&p, &u);
	struct qemu_fds fds = { 0 };

	CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
	CHECK(strstr(value(&a, "-machine", 0), "q35,"));
	CHECK(strstr(value(&a, "-machine", 0), ",pflash0=code,pflash1=vars"));
	for (size_t i = 0; i < ARRAY_SIZE(passed); i++)
		CHECK(fd_is_kept(&fds, passed[i]));
	CHECK_INT(fds.n, ARRAY_SIZE(passed));
	CHECK_STR(value(&a, "-vnc", 0), "none");
	CHECK(has_device(&a, "VGA") && has_device(&a, "usb-tablet"));
	CHECK(has_device(&a, "virtio-blk-pci"));
	CHECK(strstr(value(&a, "-tpmdev", 0), "emulator"));
	CHECK(!has(&a, "-kernel") && !has(&a, "-append") && !has(&a, "-no-reboot"));
	CHECK(!has_device(&a, "virtio-serial-pci"));
	CHECK(strstr(value(&a, "-sandbox", 0), "spawn=deny"));
}

static void a_qcow2_s_header_names_no_file(void)
{
	const struct qemu_uefi u = { .code = 20, .vars = 21, .tpm = -1 };
	_cleanup_strv_ struct strv a = { 0 };
	struct profile p = profile("x86_64");
	struct qemu_config c = disk_config(&p, &u);
	json_auto_t *code = NULL, *vars = NULL, *disk = NULL;
	struct qemu_fds fds = { 0 };

	CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
	code = json_loads(value(&a, "-blockdev", 0), 0, NULL);
	vars = json_loads(value(&a, "-blockdev", 1), 0, NULL);
	disk = json_loads(value(&a, "-blockdev", 2), 0, NULL);
	CHECK_STR(json_string_value(json_object_get(disk, "driver")), "qcow2");
	CHECK(json_is_null(json_object_get(disk, "backing")));
	CHECK_STR(json_string_value(json_object_get(code, "driver")), "raw");
	CHECK(json_is_true(json_object_get(code, "read-only")));
	CHECK(json_is_false(json_object_get(vars, "read-only")));
	CHECK(!has(&a, "-tpmdev"));
}

static void generic_hardware_has_nothing_of_virtio(void)
{
	const struct qemu_uefi u = { .code = 20, .vars = 21, .tpm = 22, .generic = true };
	_cleanup_strv_ struct strv a = { 0 };
	struct profile p = profile("x86_64");
	struct qemu_config c = disk_config(&p, &u);
	struct net_link l = NET_LINK_INIT;
	struct qemu_fds fds = { 0 };
	struct ports ports = { 0 };

	l.kind = NET_SLIRP;
	c.link = &l;
	c.ports = &ports;
	CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
	CHECK(has_device(&a, "nvme") && has_device(&a, "e1000e"));
	for (size_t i = 0; i < a.n; i++)
		CHECK(!strstr(a.v[i], "virtio"));
}

static void b23_shares_carry_no_path_and_keep_read_only(void)
{
	struct qemu_share shares[2] = { { .tag = "v0", .fd = 20, .virtiofs = true },
					{ .tag = "v1", .fd = 21, .read_only = true } };
	_cleanup_strv_ struct strv a = { 0 };
	struct profile p = profile("x86_64");
	struct qemu_config c = config(&p);
	struct qemu_fds fds = { 0 };

	c.machine = machine_row_find("x86_64", MACHINE_Q35);
	c.shares = shares;
	c.n_shares = 2;
	CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
	CHECK(strstr(value(&a, "-fsdev", 0), "path=/proc/self/fd/21"));
	CHECK(strstr(value(&a, "-fsdev", 0), "readonly=on"));
	CHECK(strstr(value(&a, "-machine", 0), "memory-backend=mem"));
	CHECK(strstr(value(&a, "-object", 0), "\"share\":true"));
	CHECK(fd_is_kept(&fds, 20) && fd_is_kept(&fds, 21));
}

/* -chardev, -fsdev and -add-fd know no JSON, and get numbers and names of ours only. */
static void devices_and_disks_are_json(void)
{
	_cleanup_strv_ struct strv a = { 0 };
	struct profile p = profile("x86_64");
	struct net_link l = NET_LINK_INIT;
	struct qemu_config c = config(&p);
	struct ports ports = { 0 };
	struct qemu_fds fds = { 0 };

	l.kind = NET_PASST;
	l.fd = 22;
	c.link = &l;
	c.ports = &ports;
	CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
	for (size_t i = 0; i + 1 < a.n; i++) {
		json_auto_t *j = NULL;

		if (strcmp(a.v[i], "-device") != 0 && strcmp(a.v[i], "-blockdev") != 0 &&
		    strcmp(a.v[i], "-netdev") != 0)
			continue;
		j = json_loads(a.v[i + 1], 0, NULL);
		CHECK(json_is_object(j));
	}
	CHECK(fd_is_kept(&fds, 22));
}

static void too_many_descriptors_are_an_error(void)
{
	struct qemu_share shares[QEMU_FDS_MAX] = { { .tag = "v" } };
	_cleanup_strv_ struct strv a = { 0 };
	struct profile p = profile("x86_64");
	struct qemu_config c = config(&p);
	struct qemu_fds fds = { 0 };

	c.machine = machine_row_find("x86_64", MACHINE_Q35);
	c.shares = shares;
	c.n_shares = QEMU_FDS_MAX;
	CHECK_INT(qemu_args(&c, &a, &fds, &e), -E2BIG);
	CHECK(fds.n <= QEMU_FDS_MAX);
}

/* A QEMU that is a profile's. */
static struct profile tree_profile(void)
{
	return (struct profile){ .arch = profile_arch_find("x86_64"),
				 .root = 30,
				 .path = (char *)"/volt/qemu/p-0123",
				 .qemu = (char *)"bin/qemu-system-x86_64",
				 .loader = (char *)"lib/ld-linux-x86-64.so.2",
				 .firmware = (char *)"firmware",
				 .capabilities = PROFILE_CAN_MICROVM };
}

/* An LD_LIBRARY_PATH would be inherited by all that QEMU starts. */
static void a28_a_profile_runs_by_its_own_loader_and_libraries(void)
{
	static const char *const begin[] = {
		"/lib/ld-linux-x86-64.so.2", "--library-path",         "/lib", "--argv0",
		"/bin/qemu-system-x86_64",   "/bin/qemu-system-x86_64"
	};
	_cleanup_strv_ struct strv a = { 0 }, env = { 0 };
	struct profile p = tree_profile();
	struct qemu_config c = config(&p);
	struct qemu_fds fds = { 0 };

	c.jailed = true;
	CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(begin); i++)
		CHECK_STR(a.v[i], begin[i]);
	CHECK_STR(value(&a, "-L", 0), "/firmware");
	CHECK_STR(value(&a, "-name", 0), "volt-web,process=qemu-system-x86_64");
	CHECK_INT(qemu_environment(&c, &env, &e), 0);
	CHECK_INT(env.n, 1);
	CHECK_STR(env.v[0], "QEMU_MODULE_DIR=/lib/qemu");
}

static void without_a_jail_a_profile_runs_where_it_stands(void)
{
	_cleanup_strv_ struct strv a = { 0 }, env = { 0 };
	struct profile p = tree_profile();
	struct qemu_config c = config(&p);
	struct qemu_fds fds = { 0 };

	CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
	CHECK_STR(a.v[0], "/volt/qemu/p-0123/lib/ld-linux-x86-64.so.2");
	CHECK_STR(value(&a, "--library-path", 0), "/volt/qemu/p-0123/lib");
	CHECK_STR(value(&a, "-L", 0), "/volt/qemu/p-0123/firmware");
	CHECK_STR(value(&a, "-kernel", 0), "/proc/self/fd/10");
	CHECK_INT(qemu_environment(&c, &env, &e), 0);
	CHECK_STR(env.v[0], "QEMU_MODULE_DIR=/volt/qemu/p-0123/lib/qemu");
}

static void a_static_qemu_needs_no_loader(void)
{
	_cleanup_strv_ struct strv a = { 0 };
	struct profile p = tree_profile();
	struct qemu_config c = config(&p);
	struct qemu_fds fds = { 0 };

	p.loader = NULL;
	c.jailed = true;
	CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
	CHECK_STR(a.v[0], "/bin/qemu-system-x86_64");
	CHECK_STR(a.v[1], "-name");
}

/* Of /proc there is nothing to name files by, and a directory that was handed over would be a way out. */
static void in_the_jail_files_have_names_and_no_directory_is_open(void)
{
	struct qemu_share shares[2] = { { .tag = "v0", .fd = 20, .virtiofs = true },
					{ .tag = "v1", .fd = 21 } };
	_cleanup_strv_ struct strv a = { 0 };
	struct profile p = tree_profile();
	struct qemu_config c = config(&p);
	struct qemu_fds fds = { 0 };

	c.jailed = true;
	c.machine = machine_row_find("x86_64", MACHINE_Q35);
	c.shares = shares;
	c.n_shares = 2;
	CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
	CHECK_STR(value(&a, "-kernel", 0), "/kernel");
	CHECK_STR(value(&a, "-initrd", 0), "/initramfs");
	CHECK(strstr(value(&a, "-fsdev", 0), "local,id=v1,path=/v1,security_model=none"));
	CHECK(!fd_is_kept(&fds, 10) && !fd_is_kept(&fds, 11) && !fd_is_kept(&fds, 21));
	CHECK(fd_is_kept(&fds, 20));
	for (size_t i = 0; i < a.n; i++)
		CHECK(!strstr(a.v[i], "/proc/"));
}

static bool root_is_file(const struct qemu_config *c, const char *name,
			 struct qemu_fds *ret_fds)
{
	_cleanup_strv_ struct strv a = { 0 };

	*ret_fds = (struct qemu_fds){ 0 };
	return qemu_args(c, &a, ret_fds, &e) == 0 &&
	       strstr(value(&a, "-blockdev", 0), name);
}

/* A 9p server has names for its descriptors, by which it could open them for writing. */
static void a27_beside_9p_what_is_only_read_is_no_descriptor(void)
{
	struct qemu_share share = { .tag = "v0", .fd = 20 };
	struct profile p = tree_profile();
	struct qemu_config c = config(&p);
	struct qemu_fds fds;

	c.jailed = true;
	c.machine = machine_row_find("x86_64", MACHINE_Q35);
	c.shares = &share;
	c.n_shares = 1;
	CHECK(root_is_file(&c, "\"/root\"", &fds));
	CHECK(!fd_is_kept(&fds, c.disks[0].fd));
	share.virtiofs = true;
	CHECK(root_is_file(&c, "\"/dev/fdset/1\"", &fds));
	CHECK(fd_is_kept(&fds, c.disks[0].fd));
}

static struct qemu_config nanos_config(const struct profile *p, enum machine_kind kind,
				       const struct qemu_disk *base)
{
	struct qemu_config c = config(p);

	c.machine = machine_row_find("x86_64", kind);
	c.nanos = true;
	c.cmdline = NULL;
	c.initramfs = c.agent = -1;
	c.disks[0] = (struct qemu_disk){ "root", 16, false, DISK_QCOW2, base };
	c.n_disks = 1;
	return c;
}

/* The -blockdev of that name; new. */
static json_t *node(const struct strv *a, const char *name)
{
	for (int i = 0; *value(a, "-blockdev", i); i++) {
		json_t *j = json_loads(value(a, "-blockdev", i), 0, NULL);
		const char *text = json_string_value(json_object_get(j, "node-name"));

		if (text && strcmp(text, name) == 0)
			return j;
		json_decref(j);
	}
	return NULL;
}

static void nanos_is_a_microvm_with_acpi_that_exits_by_its_port(void)
{
	static const int passed[] = { 10, 12, 14, 15, 16 };
	const struct qemu_disk base = { "base", 15, true };
	_cleanup_strv_ struct strv a = { 0 };
	struct profile p = profile("x86_64");
	struct qemu_config c = nanos_config(&p, MACHINE_NANOS_MICROVM, &base);
	struct qemu_fds fds = { 0 };

	CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
	CHECK(strstr(value(&a, "-machine", 0), "microvm,ioapic2=off,"));
	CHECK(!strstr(value(&a, "-machine", 0), "acpi=off"));
	CHECK_STR(value(&a, "-global", 0), "virtio-mmio.force-legacy=false");
	CHECK_STR(value(&a, "-bios", 0), "qboot.rom");
	CHECK_STR(value(&a, "-kernel", 0), "/proc/self/fd/10");
	CHECK(has(&a, "-S") && has(&a, "-no-reboot"));
	CHECK(has_device(&a, "isa-debug-exit") && has_device(&a, "virtio-rng-device"));
	CHECK(!has_device(&a, "virtio-serial-device"));
	CHECK(!has(&a, "-append") && !has(&a, "-initrd"));
	CHECK_INT(fds.n, ARRAY_SIZE(passed));
	for (size_t i = 0; i < ARRAY_SIZE(passed); i++)
		CHECK(fd_is_kept(&fds, passed[i]));
}

static void an_overlay_lies_over_a_base_that_is_only_read(void)
{
	const struct qemu_disk base = { "base", 15, true };
	_cleanup_strv_ struct strv a = { 0 };
	struct profile p = profile("x86_64");
	struct qemu_config c = nanos_config(&p, MACHINE_NANOS_MICROVM, &base);
	struct qemu_fds fds = { 0 };
	json_auto_t *below = NULL, *root = NULL;

	CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
	below = node(&a, "base");
	root = node(&a, "root");
	CHECK_STR(json_string_value(json_object_get(below, "driver")), "raw");
	CHECK(json_is_true(json_object_get(below, "read-only")));
	CHECK_STR(json_string_value(json_object_get(root, "driver")), "qcow2");
	CHECK(json_is_false(json_object_get(root, "read-only")));
	CHECK_STR(json_string_value(json_object_get(root, "backing")), "base");
}

/* The first -device of that driver; new. */
static json_t *find_device(const struct strv *a, const char *driver)
{
	for (int i = 0; *value(a, "-device", i); i++) {
		json_t *j = json_loads(value(a, "-device", i), 0, NULL);
		const char *text = json_string_value(json_object_get(j, "driver"));

		if (text && strcmp(text, driver) == 0)
			return j;
		json_decref(j);
	}
	return NULL;
}

static void nanos_on_a_pc_has_no_legacy_device(void)
{
	static const enum machine_kind kinds[] = { MACHINE_NANOS_PCI, MACHINE_NANOS_BIOS,
						   MACHINE_NANOS_UEFI };
	const struct qemu_disk base = { "base", 15, true };
	const struct qemu_uefi u = { .code = 20, .vars = 21, .tpm = -1 };
	struct profile p = profile("x86_64");

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_strv_ struct strv a = { 0 };
		struct qemu_config c = nanos_config(&p, kinds[i], &base);
		struct qemu_fds fds = { 0 };
		json_auto_t *disk = NULL, *rng = NULL;
		bool given = kinds[i] == MACHINE_NANOS_PCI;

		c.kernel = given ? 10 : -1;
		c.uefi = kinds[i] == MACHINE_NANOS_UEFI ? &u : NULL;
		CHECK_INT(qemu_args(&c, &a, &fds, &e), 0);
		disk = find_device(&a, "virtio-blk-pci");
		rng = find_device(&a, "virtio-rng-pci");
		CHECK_STR(json_string_value(json_object_get(disk, "disable-legacy")),
			  "on");
		CHECK_STR(json_string_value(json_object_get(rng, "disable-legacy")),
			  "on");
		CHECK(given == !json_object_get(disk, "bootindex"));
		CHECK(given == has(&a, "-kernel"));
		CHECK_STR(value(&a, "-bios", 0), given ? "qboot.rom" : "");
		CHECK(!!c.uefi == !!strstr(value(&a, "-machine", 0), "pflash0=code"));
		CHECK(has_device(&a, "isa-debug-exit") && has(&a, "-no-reboot"));
		CHECK(!has_device(&a, "VGA") && !has(&a, "-vnc"));
	}
}

static void nanos_gets_pci_where_microvm_will_not_do(void)
{
	struct qemu_size size = { .n_devices = 4, .cpus = 1, .memory = 256 * MIB };
	struct profile p = profile("x86_64"), arm = profile("arm64");
	const struct machine_row *m;

	CHECK_INT(qemu_nanos_machine(&p, false, &size, &m, &e), 0);
	CHECK_INT(m->kind, MACHINE_NANOS_MICROVM);
	CHECK_INT(qemu_nanos_machine(&p, true, &size, &m, &e), 0);
	CHECK_INT(m->kind, MACHINE_NANOS_PCI);
	size.n_devices = 9;
	CHECK_INT(qemu_nanos_machine(&p, false, &size, &m, &e), 0);
	CHECK_INT(m->kind, MACHINE_NANOS_PCI);
	size.n_devices = 4;
	p.capabilities = 0;
	CHECK_INT(qemu_nanos_machine(&p, false, &size, &m, &e), 0);
	CHECK_INT(m->kind, MACHINE_NANOS_PCI);
	CHECK_INT(qemu_nanos_machine(&arm, false, &size, &m, &e), -ENOTSUP);
	CHECK_STR(e.msg, "Nanos guests are for x86_64 only, not 'arm64'");
}

int main(void)
{
	RUN(microvm_is_taken_where_it_can_be);
	RUN(a20_each_architecture_has_its_machine);
	RUN(malta_s_devices_share_its_four_slots);
	RUN(every_row_belongs_to_an_architecture);
	RUN(what_a_machine_has_no_room_for_is_refused);
	RUN(a27_b33_qemu_is_confined);
	RUN(b32_accelerator_and_cpu_go_together);
	RUN(everything_is_handed_over_open);
	RUN(b37_the_root_cannot_be_written);
	RUN(a18_a_disk_boots_by_flash_and_has_all_as_descriptors);
	RUN(a_qcow2_s_header_names_no_file);
	RUN(generic_hardware_has_nothing_of_virtio);
	RUN(b23_shares_carry_no_path_and_keep_read_only);
	RUN(devices_and_disks_are_json);
	RUN(too_many_descriptors_are_an_error);
	RUN(a28_a_profile_runs_by_its_own_loader_and_libraries);
	RUN(without_a_jail_a_profile_runs_where_it_stands);
	RUN(a_static_qemu_needs_no_loader);
	RUN(in_the_jail_files_have_names_and_no_directory_is_open);
	RUN(a27_beside_9p_what_is_only_read_is_no_descriptor);
	RUN(nanos_is_a_microvm_with_acpi_that_exits_by_its_port);
	RUN(an_overlay_lies_over_a_base_that_is_only_read);
	RUN(nanos_on_a_pc_has_no_legacy_device);
	RUN(nanos_gets_pci_where_microvm_will_not_do);
	return tap_done();
}
