/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "profile/profile.h"

/* -- words ----------------------------------------------------------------------- */

static const char *const names[] = {
	[PROFILE_KVM_LINUX] = "kvm-linux",
	[PROFILE_KVM_UEFI] = "kvm-uefi",
	[PROFILE_EMULATE_X86] = "emulate-x86",
	[PROFILE_EMULATE_FOREIGN] = "emulate-foreign",
};

static const char *const modes[] = {
	[PROFILE_AUTO] = "auto",
	[PROFILE_HYBRID_KVM] = "hybrid-kvm",
	[PROFILE_HYBRID_EMULATED] = "hybrid-emulated",
};

static const char *const systems[] = {
	[PROFILE_OS_LINUX] = "linux",
	[PROFILE_OS_NANOS] = "nanos",
	[PROFILE_OS_WINDOWS] = "windows",
	[PROFILE_OS_UEFI] = "uefi",
};

/* The index of @word, or -EINVAL with the words there are. */
static int find_word(const char *word, const char *const *words, size_t n,
		     const char *what, struct volt_error *e)
{
	char known[128] = "";
	size_t i, at = 0;

	for (i = 0; i < n; i++) {
		if (word && strcmp(word, words[i]) == 0)
			return (int)i;
		at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s",
				       i > 0 ? ", " : "", words[i]);
		assert(at < sizeof(known));
	}
	return fail(e, EINVAL, "'%s' is not a %s: use one of %s", word ? word : "", what,
		    known);
}

int profile_name_parse(const char *word, enum profile_name *ret, struct volt_error *e)
{
	int i = find_word(word, names, ARRAY_SIZE(names), "profile", e);

	if (i < 0)
		return i;
	*ret = (enum profile_name)i;
	return 0;
}

int profile_mode_parse(const char *word, enum profile_mode *ret, struct volt_error *e)
{
	int i = find_word(word, modes, ARRAY_SIZE(modes), "profile mode", e);

	if (i < 0)
		return i;
	*ret = (enum profile_mode)i;
	return 0;
}

int profile_os_parse(const char *word, enum profile_os *ret, struct volt_error *e)
{
	int i = find_word(word, systems, ARRAY_SIZE(systems), "guest system", e);

	if (i < 0)
		return i;
	*ret = (enum profile_os)i;
	return 0;
}

const char *profile_name_text(enum profile_name n)
{
	return names[n];
}

const char *profile_mode_text(enum profile_mode m)
{
	return modes[m];
}

const char *profile_os_text(enum profile_os os)
{
	return systems[os];
}

/* -- architectures --------------------------------------------------------------- */

/* i386 runs on qemu-system-x86_64 too, with a 32-bit CPU, and qemu-system-i386 is not
 * everywhere. Little-endian POWER runs on the binary of the big-endian one. */
static const struct {
	struct profile_arch arch;
	const char *words; /* other names, each followed by a space */
} archs[] = {
	{ { "arm", "arm", "qemu-system-arm", NULL }, "armv7l armv7 armhf armv6l " },
	{ { "arm64", "aarch64", "qemu-system-arm", "arm64" }, "aarch64 " },
	{ { "i386", "x86_64", "qemu-system-x86", "x86_64" }, "386 i486 i586 i686 x86 " },
	{ { "mips", "mips", "qemu-system-mips", NULL }, "" },
	{ { "mips64", "mips64", "qemu-system-mips", NULL }, "" },
	{ { "mips64el", "mips64el", "qemu-system-mips", NULL }, "mips64le " },
	{ { "mipsel", "mipsel", "qemu-system-mips", NULL }, "mipsle " },
	{ { "ppc64", "ppc64", "qemu-system-ppc", NULL }, "" },
	{ { "ppc64le", "ppc64", "qemu-system-ppc", "ppc64le" }, "ppc64el " },
	{ { "riscv64", "riscv64", "qemu-system-misc", "riscv64" }, "" },
	{ { "s390x", "s390x", "qemu-system-misc", "s390x" }, "" },
	{ { "x86_64", "x86_64", "qemu-system-x86", "x86_64" }, "amd64 x86-64 " },
};

static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);
	const char *at;

	for (at = words; *at; at += strcspn(at, " ") + 1)
		if (strcspn(at, " ") == n && memcmp(at, word, n) == 0)
			return true;
	return false;
}

const struct profile_arch *profile_arch_find(const char *word)
{
	struct utsname u;
	size_t i;

	if (!word) {
		if (uname(&u) < 0)
			return NULL;
		word = u.machine;
	}
	for (i = 0; i < ARRAY_SIZE(archs); i++)
		if (strcmp(word, archs[i].arch.name) == 0 ||
		    has_word(archs[i].words, word))
			return &archs[i].arch;
	return NULL;
}

bool profile_arch_runs_on(const struct profile_arch *guest,
			  const struct profile_arch *host)
{
	return guest->runs_on && strcmp(guest->runs_on, host->name) == 0;
}

/* -- the choice ------------------------------------------------------------------ */

static enum profile_name emulated(const struct profile_arch *arch)
{
	return strcmp(arch->qemu, "x86_64") == 0 ? PROFILE_EMULATE_X86
						 : PROFILE_EMULATE_FOREIGN;
}

static enum profile_name by_kvm(enum profile_os os)
{
	return os == PROFILE_OS_WINDOWS || os == PROFILE_OS_UEFI ? PROFILE_KVM_UEFI
								 : PROFILE_KVM_LINUX;
}

int profile_select(const struct profile_choice *c, enum profile_name *ret,
		   struct volt_error *e)
{
	bool can = profile_arch_runs_on(c->guest, c->host);

	if (c->mode == PROFILE_HYBRID_KVM && !can)
		return fail(
			e, ENOTSUP,
			"mode '%s': KVM of a host of architecture '%s' does not run '%s'",
			modes[c->mode], c->host->name, c->guest->name);
	if (c->mode == PROFILE_HYBRID_KVM ||
	    (c->mode == PROFILE_AUTO && can && c->kvm_usable))
		*ret = by_kvm(c->os);
	else
		*ret = emulated(c->guest);
	return 0;
}
