/* SPDX-License-Identifier: Apache-2.0 */
/* Which of a host's files a profile takes, on a made-up host: its QEMUs, libraries and
 * firmware lie below a directory, and are tiny. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <syslog.h>

#include "base/log.h"
#include "image/elf-closure.h"
#include "profile/host.h"
#include "profile/internal.h"
#include "profile/machine.h"
#include "profile/manifest.h"
#include "put-file.h"
#include "store-lib.h"

struct host {
	char root[64];
	char library_dir[128]; /* "usr/lib/x86_64-linux-gnu" */
	struct host_files files;
	char warnings[1024];
	struct log log;
	struct volt_error e;
};

static void keep_line(void *data, int level, const char *line)
{
	struct host *h = data;
	size_t n = strlen(h->warnings);

	if (level == LOG_WARNING)
		(void)snprintf(h->warnings + n, sizeof(h->warnings) - n, "%s\n", line);
}

static _printf_(1, 2) bool shell(const char *fmt, ...)
{
	char command[4096];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	return system(command) == 0;
}

static bool set_library_dir(struct host *h)
{
	_cleanup_elf_ struct elf_file f = { 0 };

	if (elf_file_read(FAKE_QEMU_ELF, &f, &h->e) < 0)
		return false;
	(void)snprintf(h->library_dir, sizeof(h->library_dir), "usr/lib/%s",
		       elf_multiarch(&f));
	return true;
}

/* Each file says its own name. */
static void put_firmware(const struct host *h, const char *name)
{
	const struct host_place *place = host_place_find(name);
	char dir[PATH_MAX];

	if (!place)
		abort();
	(void)snprintf(dir, sizeof(dir), "%s%s", h->root, place->paths[0]);
	*strrchr(dir, '/') = '\0';
	if (!shell("mkdir -p '%s'", dir))
		abort();
	put_file(h->root, place->paths[0] + 1, name, strlen(name));
}

static void put_all_firmware(const struct host *h)
{
	const struct host_extra *row;

	for (size_t i = 0; (row = host_extra_row(i)); i++)
		put_firmware(h, row->name);
	for (size_t i = 0; i < machine_rows_n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(machine_rows[i].firmware) &&
				   machine_rows[i].firmware[k];
		     k++)
			put_firmware(h, machine_rows[i].firmware[k]);
}

static bool put_guest(const struct host *h, const char *guest)
{
	return shell("cp '%s' '%s/usr/bin/qemu-system-%s'", FAKE_QEMU_ELF, h->root,
		     guest);
}

/* Everything is installed. */
static bool host_open(struct host *h)
{
	static const char *const guests[] = { "aarch64",  "riscv64", "ppc64",
					      "mips64el", "s390x",   "x86_64" };
	bool good;

	*h = (struct host){ .root = "/tmp/volt-test-host.XXXXXX" };
	h->log = (struct log){ keep_line, h };
	if (!mkdtemp(h->root) || !set_library_dir(h))
		return false;
	good = shell("cd '%s' && mkdir -p usr/bin '%s/qemu' etc && ln -s usr/lib lib && "
		     "cp '%s' '%s/libone.so.1' && cp '%s' lib/ld-volt.so.1 && "
		     "cp '%s' '%s/libtwo.so.2' && cp '%s' '%s/qemu/accel-tcg-x86_64.so'",
		     h->root, h->library_dir, FAKE_ONE, h->library_dir, FAKE_ONE,
		     FAKE_TWO, h->library_dir, FAKE_MODULE, h->library_dir);
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++)
		good &= put_guest(h, guests[i]);
	put_all_firmware(h);
	return good;
}

static void host_close(struct host *h)
{
	host_files_done(&h->files);
	(void)shell("rm -rf '%s'", h->root);
}
#define _cleanup_host_ _cleanup_(host_close)

static int find(struct host *h, enum profile_name name)
{
	host_files_done(&h->files);
	h->warnings[0] = '\0';
	return host_files_find(h->root, name, &h->log, &h->files, &h->e);
}

/* All paths of the profile, with a space after each. */
static const char *paths(const struct host *h)
{
	static char text[4096];
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < h->files.n && at < sizeof(text); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s ",
				       h->files.v[i].path);
	return text;
}

static const char *source_of(const struct host *h, const char *path)
{
	for (size_t i = 0; i < h->files.n; i++)
		if (strcmp(h->files.v[i].path, path) == 0)
			return h->files.v[i].source;
	return NULL;
}

/* --- the rules --- */

static void emulate_x86_takes_what_it_needs_and_nothing_else(void)
{
	_cleanup_host_ struct host h;
	char path[256];

	CHECK(host_open(&h));
	CHECK_INT(find(&h, PROFILE_EMULATE_X86), 0);
	CHECK_STR(paths(&h),
		  "bin/qemu-system-x86_64 firmware/OVMF_CODE.fd firmware/OVMF_VARS.fd "
		  "firmware/bios-256k.bin firmware/keymaps/en-us firmware/kvmvapic.bin "
		  "firmware/linuxboot_dma.bin firmware/pvh.bin firmware/qboot.rom "
		  "lib/ld-volt.so.1 lib/libone.so.1 lib/libtwo.so.2 "
		  "lib/qemu/accel-tcg-x86_64.so ");
	CHECK_STR(h.warnings, "");
	CHECK_STR(h.files.loader, "lib/ld-volt.so.1");
	CHECK_STR(h.files.version, "9.8.7");
	CHECK_INT(h.files.guests.n, 1);
	CHECK_STR(h.files.guests.v[0], "x86_64");
	/* Where the file is, whichever link led there. */
	(void)snprintf(path, sizeof(path), "%s/usr/lib/ld-volt.so.1", h.root);
	CHECK_STR(source_of(&h, "lib/ld-volt.so.1"), path);
}

/* The headless one: no firmware for a screen, none of UEFI's, and the accelerator that it
 * never uses stays out, with the library that only it needs. */
static void kvm_profiles_are_for_the_hosts_own_architecture(void)
{
	_cleanup_host_ struct host h;
	const char *guest = profile_arch_find(NULL)->qemu;
	char binary[64];

	CHECK(host_open(&h) && put_guest(&h, guest));
	(void)snprintf(binary, sizeof(binary), "bin/qemu-system-%s ", guest);
	CHECK_INT(find(&h, PROFILE_KVM_LINUX), 0);
	CHECK(strncmp(paths(&h), binary, strlen(binary)) == 0);
	CHECK(!strstr(paths(&h), "libtwo") && !strstr(paths(&h), "lib/qemu"));
	CHECK(!strstr(paths(&h), "OVMF") && !strstr(paths(&h), "keymaps"));
	CHECK(h.files.capabilities & PROFILE_CAN_KVM);
	CHECK(!(h.files.capabilities & PROFILE_CAN_TCG));
	if (strcmp(guest, "x86_64") != 0)
		return;
	CHECK_INT(find(&h, PROFILE_KVM_UEFI), 0);
	CHECK_STR(paths(&h),
		  "bin/qemu-system-x86_64 firmware/OVMF_CODE.fd firmware/OVMF_VARS.fd "
		  "firmware/keymaps/en-us firmware/kvmvapic.bin lib/ld-volt.so.1 "
		  "lib/libone.so.1 ");
}

static void a18_abilities_are_what_the_files_give(void)
{
	_cleanup_host_ struct host h;

	CHECK(host_open(&h));
	CHECK_INT(find(&h, PROFILE_EMULATE_X86), 0);
	CHECK_INT(h.files.capabilities,
		  PROFILE_CAN_TCG | PROFILE_CAN_UEFI | PROFILE_CAN_MICROVM |
			  PROFILE_CAN_VIRTIOFS | PROFILE_CAN_TPM | PROFILE_CAN_VNC);
	CHECK_INT(find(&h, PROFILE_EMULATE_FOREIGN), 0);
	CHECK_INT(h.files.capabilities, PROFILE_CAN_TCG | PROFILE_CAN_VIRTIOFS);

	/* One of UEFI's two files is worth nothing, and is left out. */
	CHECK(shell("rm '%s/usr/share/OVMF/OVMF_VARS_4M.fd'", h.root));
	CHECK_INT(find(&h, PROFILE_EMULATE_X86), 0);
	CHECK(!(h.files.capabilities & PROFILE_CAN_UEFI));
	CHECK(!strstr(paths(&h), "OVMF"));
	CHECK_STR(
		h.warnings,
		"profile 'emulate-x86' is made without ability 'uefi': package 'ovmf' is "
		"not installed\n");
}

static void a18_kvm_uefi_is_nothing_without_uefi(void)
{
	_cleanup_host_ struct host h;

	if (strcmp(profile_arch_find(NULL)->qemu, "x86_64") != 0)
		return;
	CHECK(host_open(&h));
	CHECK(shell("rm '%s/usr/share/OVMF/OVMF_CODE_4M.fd'", h.root));
	CHECK_INT(find(&h, PROFILE_KVM_UEFI), -ENOENT);
	CHECK(strstr(h.e.msg, "/usr/share/OVMF/OVMF_CODE_4M.fd'"));
	CHECK(strstr(h.e.msg, "install package 'ovmf'"));
}

static void emulate_foreign_has_every_guest_that_is_installed(void)
{
	_cleanup_host_ struct host h;

	CHECK(host_open(&h));
	CHECK_INT(find(&h, PROFILE_EMULATE_FOREIGN), 0);
	CHECK_STR(h.warnings, "");
	CHECK_INT(h.files.guests.n, 5);
	CHECK(strstr(paths(&h), "firmware/opensbi-riscv64-generic-fw_dynamic.bin "));

	CHECK(shell("cd '%s/usr/bin' && rm qemu-system-riscv64 qemu-system-ppc64",
		    h.root));
	CHECK_INT(find(&h, PROFILE_EMULATE_FOREIGN), 0);
	CHECK_INT(h.files.guests.n, 3);
	CHECK(!strstr(paths(&h), "opensbi") && !strstr(paths(&h), "riscv64"));
	CHECK_STR(h.warnings,
		  "profile 'emulate-foreign' cannot run guests of 'riscv64': package "
		  "'qemu-system-misc' is not installed\n"
		  "profile 'emulate-foreign' cannot run guests of 'ppc64': package "
		  "'qemu-system-ppc' is not installed\n");

	CHECK(shell("rm -r '%s/usr/bin'", h.root));
	CHECK_INT(find(&h, PROFILE_EMULATE_FOREIGN), -ENOENT);
	CHECK(strstr(h.e.msg, "install package 'qemu-system-arm', 'qemu-system-misc', "
			      "'qemu-system-ppc', 'qemu-system-mips'"));
}

/* No ELF section says that QEMU will open it. */
static void a_module_that_the_binary_names_must_be_there(void)
{
	_cleanup_host_ struct host h;

	CHECK(host_open(&h));
	CHECK(shell("rm '%s/%s/qemu/accel-tcg-x86_64.so'", h.root, h.library_dir));
	CHECK_INT(find(&h, PROFILE_EMULATE_X86), -ENOENT);
	CHECK(strstr(h.e.msg, "/qemu/accel-tcg-x86_64.so'"));
	CHECK(strstr(h.e.msg, "install package 'qemu-system-x86' again"));
	/* The same binary has no module for these guests: it is built in. */
	CHECK_INT(find(&h, PROFILE_EMULATE_FOREIGN), 0);
	CHECK(!strstr(paths(&h), "lib/qemu"));
}

static void a_module_brings_its_own_libraries(void)
{
	_cleanup_host_ struct host h;

	CHECK(host_open(&h));
	CHECK(shell("rm '%s/%s/libtwo.so.2'", h.root, h.library_dir));
	CHECK_INT(find(&h, PROFILE_EMULATE_X86), -ENOENT);
	CHECK(strstr(h.e.msg, "library 'libtwo.so.2'"));
	CHECK(strstr(h.e.msg, "accel-tcg-x86_64.so"));
}

/* The module finds the library of its binary in another place than the binary does. */
static void a28_two_libraries_of_one_name_are_an_error_that_names_both(void)
{
	_cleanup_host_ struct host h;

	CHECK(host_open(&h));
	CHECK(shell("cd '%s' && mkdir -p opt && cp '%s/libone.so.1' opt && "
		    "cp '%s' '%s/qemu/accel-tcg-x86_64.so'",
		    h.root, h.library_dir, FAKE_STRAY, h.library_dir));
	CHECK_INT(find(&h, PROFILE_EMULATE_X86), -EEXIST);
	CHECK(strstr(h.e.msg, "/opt/libone.so.1'"));
	CHECK(strstr(h.e.msg, h.library_dir));
	/* Two names of one file are no such thing. */
	CHECK(shell("cd '%s' && ln -sf '../%s/libone.so.1' opt/libone.so.1", h.root,
		    h.library_dir));
	CHECK_INT(find(&h, PROFILE_EMULATE_X86), 0);
}

static void missing_firmware_is_named_with_its_package(void)
{
	_cleanup_host_ struct host h;

	CHECK(host_open(&h));
	CHECK(shell("rm '%s/usr/share/qemu/linuxboot_dma.bin'", h.root));
	CHECK_INT(find(&h, PROFILE_EMULATE_X86), -ENOENT);
	CHECK(strstr(h.e.msg, "/usr/share/qemu/linuxboot_dma.bin', which profile "
			      "'emulate-x86' needs: install package 'qemu-system-data'"));
	/* A second place will do. */
	CHECK(shell("cd '%s/usr/share' && mv seabios/bios-256k.bin qemu/ && "
		    "echo >qemu/linuxboot_dma.bin",
		    h.root));
	CHECK_INT(find(&h, PROFILE_EMULATE_X86), 0);
	CHECK(strstr(source_of(&h, "firmware/bios-256k.bin"), "/usr/share/qemu/"));
}

static void a_qemu_that_is_no_program_is_named(void)
{
	_cleanup_host_ struct host h;

	CHECK(host_open(&h));
	CHECK(shell("echo '#!/bin/sh' >'%s/usr/bin/qemu-system-x86_64'", h.root));
	CHECK_INT(find(&h, PROFILE_EMULATE_X86), -ENOEXEC);
	CHECK(strstr(h.e.msg, "/usr/bin/qemu-system-x86_64' is a script"));
}

/* --- in the store --- */

static void keep_any_line(void *data, int level, const char *line)
{
	(void)level;
	keep_line(data, LOG_WARNING, line);
}

static int build(struct host *h, struct fixture *f, struct profile_manifest **ret)
{
	struct log log = { keep_any_line, h };
	struct profiles ps = { .rootfd = f->root, .store = f->store, .log = &log };

	h->warnings[0] = '\0';
	return profile_build_below(h->root, &ps, PROFILE_EMULATE_X86, ret, &h->e);
}

static void a_build_says_what_it_is_and_where_it_comes_from(void)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	_cleanup_fixture_ struct fixture f;
	_cleanup_host_ struct host h;
	char path[256], hex[DIGEST_HEX_SIZE];
	struct digest d;

	CHECK(host_open(&h) && fixture_open(&f));
	CHECK_INT(build(&h, &f, &m), 0);
	CHECK_STR(m->name, "emulate-x86");
	CHECK_STR(m->version, "9.8.7");
	CHECK_STR(m->loader, "lib/ld-volt.so.1");
	CHECK_STR(m->arch, profile_arch_find(NULL)->name);
	CHECK_INT(m->n, 13);
	(void)snprintf(path, sizeof(path), "%s/usr/share/qemu/pvh.bin", h.root);
	CHECK_STR(profile_manifest_source(m, "firmware/pvh.bin"), path);
	CHECK_INT(sha256_bytes("pvh.bin", 7, &d), 0);
	CHECK_STR(json_string_value(json_object_get(json_object_get(m->j, "objects"),
						    "firmware/pvh.bin")),
		  digest_hex(&d, hex));
	CHECK_STR(json_string_value(json_array_get(json_object_get(m->j, "guests"), 0)),
		  "x86_64");
	CHECK_INT(json_array_size(json_object_get(m->j, "capabilities")), 6);
	CHECK(json_integer_value(json_object_get(m->j, "total_bytes")) > 0);
	/* Programs may be run from the store; nothing else may. */
	CHECK(store_has(f.store, &profile_manifest_find(m, "lib/ld-volt.so.1")->digest,
			OBJECT_EXEC));
	CHECK(!store_has(f.store, &d, OBJECT_EXEC));
}

static void the_same_files_are_the_same_profile(void)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *a = NULL, *b = NULL,
								  *c = NULL;
	_cleanup_fixture_ struct fixture f;
	_cleanup_host_ struct host h;
	int n;

	CHECK(host_open(&h) && fixture_open(&f));
	CHECK_INT(build(&h, &f, &a), 0);
	CHECK(!strstr(h.warnings, "has not changed"));
	n = count_entries(&f, "cas/objects");
	CHECK_INT(build(&h, &f, &b), 0);
	CHECK(memcmp(&a->digest, &b->digest, sizeof(a->digest)) == 0);
	CHECK(strstr(h.warnings, "profile 'emulate-x86' has not changed"));
	CHECK_INT(count_entries(&f, "cas/objects"), n);
	CHECK_INT(count_entries(&f, "cas/refs"), 2); /* tags, and one version */

	CHECK(shell("echo newer >>'%s/%s/libtwo.so.2'", h.root, h.library_dir));
	CHECK_INT(build(&h, &f, &c), 0);
	CHECK(memcmp(&a->digest, &c->digest, sizeof(a->digest)) != 0);
	CHECK(!strstr(h.warnings, "has not changed"));
	CHECK_INT(count_entries(&f, "cas/objects"), n + 1);
	CHECK_INT(count_entries(&f, "cas/refs"), 3);
}

static void a_build_that_fails_leaves_no_version(void)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	_cleanup_fixture_ struct fixture f;
	_cleanup_host_ struct host h;

	CHECK(host_open(&h) && fixture_open(&f));
	CHECK(shell("rm '%s/usr/share/qemu/pvh.bin'", h.root));
	CHECK_INT(build(&h, &f, &m), -ENOENT);
	CHECK(!m);
	CHECK_INT(count_entries(&f, "cas/objects"), 0);
	CHECK_INT(count_entries(&f, "cas/refs"), 0);
}

int main(void)
{
	RUN(emulate_x86_takes_what_it_needs_and_nothing_else);
	RUN(kvm_profiles_are_for_the_hosts_own_architecture);
	RUN(a18_abilities_are_what_the_files_give);
	RUN(a18_kvm_uefi_is_nothing_without_uefi);
	RUN(emulate_foreign_has_every_guest_that_is_installed);
	RUN(a_module_that_the_binary_names_must_be_there);
	RUN(a_module_brings_its_own_libraries);
	RUN(a28_two_libraries_of_one_name_are_an_error_that_names_both);
	RUN(missing_firmware_is_named_with_its_package);
	RUN(a_qemu_that_is_no_program_is_named);
	RUN(a_build_says_what_it_is_and_where_it_comes_from);
	RUN(the_same_files_are_the_same_profile);
	RUN(a_build_that_fails_leaves_no_version);
	return tap_done();
}
