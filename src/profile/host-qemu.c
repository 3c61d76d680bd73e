/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/spawn.h"
#include "profile/internal.h"

/* The host's own QEMU, neither stored nor assembled. Paths come from the tables here and from
 * @bindir. */

#define VERSION_MAX 4096

static const char *const bindirs[] = { "/usr/bin", "/usr/local/bin" };

/* Debian's virtiofsd: QEMU's own up to 12, the separate package since 13. */
static const char *const virtiofsds[] = { "/usr/libexec/virtiofsd",
					  "/usr/lib/qemu/virtiofsd" };

static const char *const bioses[] = { "/usr/share/seabios/bios-256k.bin",
				      "/usr/share/qemu/bios-256k.bin" };

static const struct uefi {
	const char *qemu, *code, *vars, *package;
} uefis[] = {
	{ "x86_64", "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd",
	  "ovmf" },
	{ "x86_64", "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd",
	  "ovmf" },
	{ "aarch64", "/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd",
	  "qemu-efi-aarch64" },
	{ "arm", "/usr/share/AAVMF/AAVMF32_CODE.fd", "/usr/share/AAVMF/AAVMF32_VARS.fd",
	  "qemu-efi-arm" },
};

static const struct {
	unsigned int capability;
	const char *text;
} capability_texts[] = {
	{ PROFILE_CAN_KVM, "KVM" },
	{ PROFILE_CAN_TCG, "TCG" },
	{ PROFILE_CAN_UEFI, "UEFI firmware" },
	{ PROFILE_CAN_MICROVM, "machine type microvm" },
	{ PROFILE_CAN_VIRTIOFS, "virtiofsd" },
	{ PROFILE_CAN_TPM, "TPM" },
	{ PROFILE_CAN_VNC, "VNC" },
};

/* The path @root@path in a new string if it is a file of which @mode is granted. -ENOENT. */
static int find_file(const char *root, const char *path, int mode, char **ret)
{
	_cleanup_free_ char *full = NULL;
	struct stat st;

	if (asprintf(&full, "%s%s", root, path) < 0) {
		full = NULL;
		return -ENOMEM;
	}
	if (stat(full, &st) < 0 || !S_ISREG(st.st_mode) || access(full, mode) < 0)
		return -ENOENT;
	*ret = TAKE_PTR(full);
	return 0;
}

static int find_any(const char *root, const char *const *paths, size_t n, int mode,
		    char **ret)
{
	int r = -ENOENT;
	size_t i;

	for (i = 0; i < n && r == -ENOENT; i++)
		r = find_file(root, paths[i], mode, ret);
	return r;
}

static int find_qemu(const char *root, const char *const *dirs, size_t n,
		     struct profile *p, struct volt_error *e)
{
	char path[PATH_MAX];
	int r = -ENOENT;
	size_t i;

	for (i = 0; i < n && r == -ENOENT; i++) {
		if (snprintf(path, sizeof(path), "%s/qemu-system-%s", dirs[i],
			     p->arch->qemu) >= (int)sizeof(path))
			return fail(e, ENAMETOOLONG, "look for QEMU in '%s'", dirs[i]);
		r = find_file(root, path, X_OK, &p->qemu);
	}
	if (r == -ENOENT)
		return fail(e, ENOENT,
			    "no 'qemu-system-%s' in %s%s: install package '%s'",
			    p->arch->qemu, root, dirs[0], p->arch->package);
	return r < 0 ? fail_oom(e) : 0;
}

/* Both files or neither. */
static int find_uefi(const char *root, struct profile *p)
{
	_cleanup_free_ char *code = NULL, *vars = NULL;
	int r = -ENOENT;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(uefis) && r == -ENOENT; i++) {
		if (strcmp(uefis[i].qemu, p->arch->qemu) != 0)
			continue;
		freep(&code);
		code = NULL;
		r = find_file(root, uefis[i].code, R_OK, &code);
		if (r == 0)
			r = find_file(root, uefis[i].vars, R_OK, &vars);
	}
	if (r < 0)
		return r;
	p->uefi_code = TAKE_PTR(code);
	p->uefi_vars = TAKE_PTR(vars);
	p->capabilities |= PROFILE_CAN_UEFI;
	return 0;
}

static int find_firmware(const char *root, bool own, struct profile *p,
			 struct volt_error *e)
{
	_cleanup_free_ char *bios = NULL;
	int r = 0;

	if (asprintf(&p->firmware, "%s/usr/share/qemu", root) < 0) {
		p->firmware = NULL;
		return fail_oom(e);
	}
	if (strcmp(p->arch->qemu, "x86_64") == 0)
		r = find_any(root, bioses, ARRAY_SIZE(bioses), R_OK, &bios);
	if (r == -ENOENT && !own) /* a QEMU that somebody built may bring it */
		return fail(e, ENOENT, "no '%s%s': install package 'seabios'", root,
			    bioses[0]);
	if (r != -ENOMEM)
		r = find_uefi(root, p);
	return r == -ENOMEM ? fail_oom(e) : 0;
}

int profile_find_virtiofsd(const char *root, struct profile *p, struct volt_error *e)
{
	int r = find_any(root, virtiofsds, ARRAY_SIZE(virtiofsds), X_OK, &p->virtiofsd);

	if (r == -ENOENT)
		p->capabilities &= ~(unsigned int)PROFILE_CAN_VIRTIOFS;
	return r == -ENOMEM ? fail_oom(e) : 0;
}

/* What Debian builds into its binaries; whether KVM works is the probe's business. */
static unsigned int built_in(const struct profile_arch *arch)
{
	const struct profile_arch *host = profile_arch_find(NULL);
	unsigned int can = PROFILE_CAN_TCG | PROFILE_CAN_VIRTIOFS | PROFILE_CAN_TPM |
			   PROFILE_CAN_VNC;

	if (host && profile_arch_runs_on(arch, host))
		can |= PROFILE_CAN_KVM;
	if (strcmp(arch->qemu, "x86_64") == 0)
		can |= PROFILE_CAN_MICROVM;
	return can;
}

unsigned int profile_implies(enum profile_name name)
{
	switch (name) {
	case PROFILE_KVM_LINUX:
		return PROFILE_CAN_KVM;
	case PROFILE_KVM_UEFI:
		return PROFILE_CAN_KVM | PROFILE_CAN_UEFI;
	case PROFILE_EMULATE_X86:
	case PROFILE_EMULATE_FOREIGN:
		break;
	}
	return PROFILE_CAN_TCG;
}

static const char *package_for(const struct profile *p, unsigned int capability)
{
	size_t i;

	if (capability == PROFILE_CAN_VIRTIOFS)
		return "qemu-system-common";
	if (capability != PROFILE_CAN_UEFI)
		return NULL;
	for (i = 0; i < ARRAY_SIZE(uefis); i++)
		if (strcmp(uefis[i].qemu, p->arch->qemu) == 0)
			return uefis[i].package;
	return NULL;
}

int profile_check_needs(const struct profile *p, unsigned int need, struct volt_error *e)
{
	unsigned int missing = need & ~p->capabilities;
	const char *package;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(capability_texts); i++) {
		if (!(missing & capability_texts[i].capability))
			continue;
		package = package_for(p, capability_texts[i].capability);
		if (!package)
			return fail(e, ENOTSUP, "profile '%s' for '%s' has no %s",
				    p->name, p->arch->name, capability_texts[i].text);
		return fail(e, ENOENT,
			    "profile '%s' for '%s' has no %s: install package '%s'%s%s",
			    p->name, p->arch->name, capability_texts[i].text, package,
			    p->root < 0 ? "" : " and run volt qemu build ",
			    p->root < 0 ? "" : p->name);
	}
	return 0;
}

int profile_resolve_host(const char *root, const char *bindir,
			 const struct profile_wish *w, struct profile **ret,
			 struct volt_error *e)
{
	_cleanup_(profile_freep) struct profile *p = NULL;
	int r;

	if (!w->arch)
		return fail(e, ENOTSUP, "no QEMU is known for this architecture");
	p = profile_new(w->given ? w->given : profile_name_text(w->name), w->arch);
	if (!p)
		return fail_oom(e);
	p->capabilities = built_in(w->arch);
	if (bindir)
		r = find_qemu("", &bindir, 1, p, e);
	else
		r = find_qemu(root, bindirs, ARRAY_SIZE(bindirs), p, e);
	if (r >= 0)
		r = find_firmware(root, bindir != NULL, p, e);
	if (r >= 0)
		r = profile_find_virtiofsd(root, p, e);
	if (r >= 0)
		r = profile_check_needs(
			p, w->need | (w->given ? 0 : profile_implies(w->name)), e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

/* "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)" and a line about copyright. */
int profile_version(const struct profile *p, char **ret, struct volt_error *e)
{
	static const char before[] = "version ";
	const char *const argv[] = { p->qemu, "--version", NULL };
	struct spawn s = SPAWN_INIT;
	_cleanup_free_ char *out = NULL;
	char *at, *version;
	int r;

	if (p->version) {
		*ret = strdup(p->version);
		return *ret ? 0 : fail_oom(e);
	}
	if (p->root >= 0)
		return fail(e, ENOENT, "profile '%s' does not say what version it is",
			    p->name);
	s.argv = argv;
	r = spawn_run(&s, VERSION_MAX, &out, e);
	if (r < 0)
		return fail_in(e, r, "ask '%s' for its version", p->qemu);
	at = strstr(out, before);
	at = at ? at + strlen(before) : out;
	version = strndup(at, strspn(at, "0123456789."));
	if (!version)
		return fail_oom(e);
	if (!*version) {
		free(version);
		return fail(e, EBADMSG, "'%s' does not say what version it is", p->qemu);
	}
	*ret = version;
	return 0;
}
