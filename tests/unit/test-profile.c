/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "profile/internal.h"
#include "tap.h"

static const struct selection {
	enum profile_mode mode;
	const char *arch, *os, *host;
	bool kvm;
	int want; /* a profile, or an error */
} selections[] = {
	/* emulated: the guest's architecture decides, whatever the host can do */
	{ PROFILE_HYBRID_EMULATED, "x86_64", "linux", "x86_64", true,
	  PROFILE_EMULATE_X86 },
	{ PROFILE_HYBRID_EMULATED, "i386", "linux", "arm64", true, PROFILE_EMULATE_X86 },
	{ PROFILE_HYBRID_EMULATED, "x86_64", "windows", "x86_64", false,
	  PROFILE_EMULATE_X86 },
	{ PROFILE_HYBRID_EMULATED, "arm64", "linux", "arm64", true,
	  PROFILE_EMULATE_FOREIGN },
	{ PROFILE_HYBRID_EMULATED, "riscv64", "linux", "x86_64", true,
	  PROFILE_EMULATE_FOREIGN },
	{ PROFILE_HYBRID_EMULATED, "s390x", "uefi", "x86_64", true,
	  PROFILE_EMULATE_FOREIGN },
	/* kvm: the system decides, and the host must be able to run it */
	{ PROFILE_HYBRID_KVM, "x86_64", "linux", "x86_64", false, PROFILE_KVM_LINUX },
	{ PROFILE_HYBRID_KVM, "x86_64", "nanos", "x86_64", false, PROFILE_KVM_LINUX },
	{ PROFILE_HYBRID_KVM, "x86_64", "windows", "x86_64", false, PROFILE_KVM_UEFI },
	{ PROFILE_HYBRID_KVM, "arm64", "uefi", "arm64", false, PROFILE_KVM_UEFI },
	{ PROFILE_HYBRID_KVM, "i386", "linux", "x86_64", false, PROFILE_KVM_LINUX },
	{ PROFILE_HYBRID_KVM, "arm64", "linux", "x86_64", true, -ENOTSUP },
	{ PROFILE_HYBRID_KVM, "x86_64", "linux", "arm64", true, -ENOTSUP },
	{ PROFILE_HYBRID_KVM, "mips", "linux", "mips", true, -ENOTSUP },
	/* auto: KVM where it is usable and of the same architecture */
	{ PROFILE_AUTO, "x86_64", "linux", "x86_64", true, PROFILE_KVM_LINUX },
	{ PROFILE_AUTO, "x86_64", "uefi", "x86_64", true, PROFILE_KVM_UEFI },
	{ PROFILE_AUTO, "arm64", "linux", "arm64", true, PROFILE_KVM_LINUX },
	{ PROFILE_AUTO, "x86_64", "linux", "x86_64", false, PROFILE_EMULATE_X86 },
	{ PROFILE_AUTO, "arm64", "linux", "x86_64", true, PROFILE_EMULATE_FOREIGN },
	{ PROFILE_AUTO, "x86_64", "linux", "arm64", true, PROFILE_EMULATE_X86 },
	{ PROFILE_AUTO, "ppc64le", "linux", "x86_64", false, PROFILE_EMULATE_FOREIGN },
};

static void a17_selection_follows_the_table(void)
{
	struct volt_error e = { 0 };
	enum profile_name name;
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(selections); i++) {
		const struct selection *s = &selections[i];
		struct profile_choice c = { s->mode, PROFILE_OS_LINUX,
					    profile_arch_find(s->arch),
					    profile_arch_find(s->host), s->kvm };

		CHECK_INT(profile_os_parse(s->os, &c.os, &e), 0);
		r = profile_select(&c, &name, &e);
		if ((r < 0 ? r : (int)name) != s->want)
			printf("# selection %zu\n", i);
		CHECK_INT(r < 0 ? r : (int)name, s->want);
	}
}

/* What the rules say, written down once more and in another way: for every combination. */
static int expected(const struct profile_choice *c)
{
	bool x86 = strcmp(c->guest->name, "x86_64") == 0 ||
		   strcmp(c->guest->name, "i386") == 0;
	bool native = c->guest->runs_on && strcmp(c->guest->runs_on, c->host->name) == 0;
	int kvm = c->os == PROFILE_OS_WINDOWS || c->os == PROFILE_OS_UEFI
			  ? PROFILE_KVM_UEFI
			  : PROFILE_KVM_LINUX;
	int tcg = x86 ? PROFILE_EMULATE_X86 : PROFILE_EMULATE_FOREIGN;

	switch (c->mode) {
	case PROFILE_HYBRID_EMULATED:
		return tcg;
	case PROFILE_HYBRID_KVM:
		return native ? kvm : -ENOTSUP;
	case PROFILE_AUTO:
		break;
	}
	return native && c->kvm_usable ? kvm : tcg;
}

static const char *const all_archs[] = { "arm",     "arm64",    "i386",   "mips",
					 "mips64",  "mips64el", "mipsel", "ppc64",
					 "ppc64le", "riscv64",  "s390x",  "x86_64" };

/* A17, A19: mode x guest architecture x system x host architecture x usable KVM. */
static void a17_every_combination_has_its_profile(void)
{
	const size_t archs = ARRAY_SIZE(all_archs);
	const size_t oses = PROFILE_OS_UEFI + 1, modes = PROFILE_HYBRID_EMULATED + 1;
	size_t n = modes * archs * oses * archs * 2, native = 0;

	CHECK_INT(n, 3 * 12 * 4 * 12 * 2);
	for (size_t i = 0; i < n; i++) {
		const struct profile_choice c = {
			.kvm_usable = i % 2,
			.mode = (enum profile_mode)(i / 2 % modes),
			.os = (enum profile_os)(i / 2 / modes % oses),
			.guest = profile_arch_find(
				all_archs[i / 2 / modes / oses % archs]),
			.host = profile_arch_find(
				all_archs[i / 2 / modes / oses / archs]),
		};
		enum profile_name name = PROFILE_KVM_LINUX;
		struct volt_error e = { 0 };
		int r;

		CHECK(c.guest && c.host);
		r = profile_select(&c, &name, &e);
		if ((r < 0 ? r : (int)name) != expected(&c))
			printf("# %s, %s, %s on %s, KVM %d\n", profile_mode_text(c.mode),
			       c.guest->name, profile_os_text(c.os), c.host->name,
			       c.kvm_usable);
		CHECK_INT(r < 0 ? r : (int)name, expected(&c));
		native += r == 0 && name <= PROFILE_KVM_UEFI;
	}
	/* arm64, ppc64le, riscv64, s390x, x86_64 on themselves and i386 on x86_64: each by
	 * KVM in 4 systems, with hybrid-kvm twice and with auto once. */
	CHECK_INT(native, 6 * 4 * 3);
}

static void a17_unknown_words_are_errors(void)
{
	static const char *const words[] = { "",          "kvm",
					     "KVM-LINUX", "kvm-linux-debug",
					     "auto ",     NULL };
	struct volt_error e = { 0 };
	enum profile_name name;
	enum profile_mode mode;
	enum profile_os os;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		CHECK_INT(profile_name_parse(words[i], &name, &e), -EINVAL);
		CHECK_INT(profile_mode_parse(words[i], &mode, &e), -EINVAL);
		CHECK_INT(profile_os_parse(words[i], &os, &e), -EINVAL);
	}
	CHECK_INT(profile_mode_parse("fast", &mode, &e), -EINVAL);
	CHECK_STR(e.msg, "'fast' is not a profile mode: use one of auto, hybrid-kvm, "
			 "hybrid-emulated");
}

static void every_word_parses_to_itself(void)
{
	enum profile_name name;
	enum profile_mode mode;
	enum profile_os os;
	int i;

	for (i = 0; i <= PROFILE_EMULATE_FOREIGN; i++) {
		CHECK_INT(profile_name_parse(profile_name_text(i), &name, NULL), 0);
		CHECK_INT(name, i);
	}
	for (i = 0; i <= PROFILE_HYBRID_EMULATED; i++) {
		CHECK_INT(profile_mode_parse(profile_mode_text(i), &mode, NULL), 0);
		CHECK_INT(mode, i);
	}
	for (i = 0; i <= PROFILE_OS_UEFI; i++) {
		CHECK_INT(profile_os_parse(profile_os_text(i), &os, NULL), 0);
		CHECK_INT(os, i);
	}
}

static void a19_architectures_come_from_a_table(void)
{
	static const char *const bad[] = {
		"", " ", "../x86_64", "x86_64 ", "amd64 x86-64", "alpha"
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(!profile_arch_find(bad[i]));
	CHECK(profile_arch_find("amd64") == profile_arch_find("x86_64"));
	CHECK(profile_arch_find("aarch64") == profile_arch_find("arm64"));
	CHECK(profile_arch_find("686") == NULL);
	CHECK(profile_arch_find(NULL) != NULL);
	CHECK_STR(profile_arch_find("i686")->qemu, "x86_64");
}

/* -- resolving ------------------------------------------------------------------- */

struct host {
	char path[40];
	int fd;
};

static int host_open(struct host *h)
{
	memcpy(h->path, "/tmp/volt-test-profile.XXXXXX",
	       sizeof("/tmp/volt-test-profile.XXXXXX"));
	if (!mkdtemp(h->path))
		return -1;
	h->fd = open(h->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return h->fd;
}

static void host_close(struct host *h)
{
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)remove_tree_at(tmp, h->path + strlen("/tmp/"));
	(void)close(tmp);
	(void)close(h->fd);
}

#define _cleanup_host_ _cleanup_(host_close)

static int install(const struct host *h, const char *dir, const char *name, mode_t mode)
{
	_cleanup_close_ int d = mkdir_beneath(h->fd, dir, 0755);
	_cleanup_close_ int fd =
		d < 0 ? d : openat(d, name, O_WRONLY | O_CREAT | O_CLOEXEC, mode);

	return fd < 0 ? -1 : 0;
}

static int resolve(const struct host *h, const char *arch, enum profile_name name,
		   unsigned int need, struct profile **ret, struct volt_error *e)
{
	const struct profile_wish w = { name, profile_arch_find(arch), need, NULL };

	return profile_resolve_host(h->path, NULL, &w, ret, e);
}

static void missing_qemu_names_its_package(void)
{
	static const struct {
		const char *arch, *package;
	} cases[] = {
		{ "x86_64", "install package 'qemu-system-x86'" },
		{ "arm64", "install package 'qemu-system-arm'" },
		{ "riscv64", "install package 'qemu-system-misc'" },
		{ "ppc64le", "install package 'qemu-system-ppc'" },
		{ "mips64el", "install package 'qemu-system-mips'" },
	};
	_cleanup_host_ struct host h;
	struct volt_error e = { 0 };
	struct profile *p = NULL;
	size_t i;

	CHECK(host_open(&h) >= 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_INT(resolve(&h, cases[i].arch, PROFILE_EMULATE_FOREIGN, 0, &p, &e),
			  -ENOENT);
		CHECK(strstr(e.msg, cases[i].package));
		CHECK(!p);
	}
}

static void host_packages_make_a_profile(void)
{
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_host_ struct host h;
	struct volt_error e = { 0 };
	char want[128];

	CHECK(host_open(&h) >= 0);
	CHECK_INT(install(&h, "usr/bin", "qemu-system-x86_64", 0755), 0);
	CHECK_INT(resolve(&h, "x86_64", PROFILE_EMULATE_X86, 0, &p, &e), -ENOENT);
	CHECK(strstr(e.msg, "install package 'seabios'"));
	CHECK_INT(install(&h, "usr/share/seabios", "bios-256k.bin", 0644), 0);
	CHECK_INT(install(&h, "usr/lib/qemu", "virtiofsd", 0755), 0);
	CHECK_INT(resolve(&h, "i386", PROFILE_EMULATE_X86, PROFILE_CAN_VIRTIOFS, &p, &e),
		  0);
	(void)snprintf(want, sizeof(want), "%s/usr/bin/qemu-system-x86_64", h.path);
	CHECK_STR(p->qemu, want);
	CHECK(p->capabilities & PROFILE_CAN_MICROVM);
	CHECK(!(p->capabilities & PROFILE_CAN_UEFI));
}

static void a18_uefi_is_a_capability_and_is_matched(void)
{
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_host_ struct host h;
	struct volt_error e = { 0 };
	const char *host = profile_arch_find(NULL)->name;

	CHECK(host_open(&h) >= 0);
	CHECK_INT(install(&h, "usr/bin", "qemu-system-aarch64", 0755), 0);
	CHECK_INT(resolve(&h, "arm64", PROFILE_EMULATE_FOREIGN, PROFILE_CAN_UEFI, &p, &e),
		  -ENOENT);
	CHECK_STR(e.msg, "profile 'emulate-foreign' for 'arm64' has no UEFI firmware: "
			 "install package 'qemu-efi-aarch64'");
	CHECK_INT(install(&h, "usr/share/AAVMF", "AAVMF_CODE.fd", 0644), 0);
	CHECK_INT(resolve(&h, "arm64", PROFILE_EMULATE_FOREIGN, PROFILE_CAN_UEFI, &p, &e),
		  -ENOENT); /* half of it is none */
	CHECK_INT(install(&h, "usr/share/AAVMF", "AAVMF_VARS.fd", 0644), 0);
	CHECK_INT(resolve(&h, "arm64", PROFILE_EMULATE_FOREIGN, PROFILE_CAN_UEFI, &p, &e),
		  0);
	CHECK(p->uefi_code && p->uefi_vars);
	if (strcmp(host, "arm64") == 0)
		return;
	profile_free(TAKE_PTR(p));
	CHECK_INT(resolve(&h, "arm64", PROFILE_KVM_UEFI, 0, &p, &e), -ENOTSUP);
	CHECK_STR(e.msg, "profile 'kvm-uefi' for 'arm64' has no KVM");
}

static void own_qemu_is_taken_from_its_directory_alone(void)
{
	const struct profile_wish w = { PROFILE_EMULATE_X86, profile_arch_find("x86_64"),
					0, NULL };
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_free_ char *version = NULL;
	_cleanup_host_ struct host h;
	struct volt_error e = { 0 };
	char want[128];
	FILE *f;

	CHECK(host_open(&h) >= 0);
	CHECK_INT(profile_resolve_host(h.path, h.path, &w, &p, &e), -ENOENT);
	(void)snprintf(want, sizeof(want), "%s/qemu-system-x86_64", h.path);
	f = fopen(want, "w");
	CHECK(f);
	(void)fputs("#!/bin/sh\necho 'QEMU emulator version 9.1.2 (Debian 1:9.1)'\n", f);
	(void)fclose(f);
	CHECK_INT(chmod(want, 0755), 0);
	CHECK_INT(profile_resolve_host(h.path, h.path, &w, &p, &e), 0);
	CHECK_STR(p->qemu, want);
	CHECK_INT(profile_version(p, &version, &e), 0);
	CHECK_STR(version, "9.1.2");
}

int main(void)
{
	RUN(a17_selection_follows_the_table);
	RUN(a17_every_combination_has_its_profile);
	RUN(a17_unknown_words_are_errors);
	RUN(every_word_parses_to_itself);
	RUN(a19_architectures_come_from_a_table);
	RUN(missing_qemu_names_its_package);
	RUN(host_packages_make_a_profile);
	RUN(a18_uefi_is_a_capability_and_is_matched);
	RUN(own_qemu_is_taken_from_its_directory_alone);
	return tap_done();
}
