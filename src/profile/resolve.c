/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/log.h"
#include "profile/assemble.h"
#include "profile/build.h"
#include "profile/internal.h"
#include "profile/tree.h"
#include "profile/verify.h"
#include "profile/versions.h"

/* From a wish to a tree: tag, ref, manifest, tree. What is there takes four small files and
 * no lock that anybody waits for. What is not is made under a lease, from the manifest as it
 * is then. */

#define NOTICE 5

/* -- what a manifest can do -------------------------------------------------------- */

/* One that does not say can do what its name says, as far as its files go. */
static unsigned int capabilities(const struct profile_manifest *m)
{
	enum profile_name name;

	if (m->capabilities)
		return m->capabilities;
	if (profile_name_parse(m->name, &name, NULL) < 0)
		return PROFILE_CAN_KVM | PROFILE_CAN_TCG;
	return profile_implies(name) & ~(unsigned int)PROFILE_CAN_UEFI;
}

static int copy_text(const char *text, char **ret)
{
	if (text && !(*ret = strdup(text)))
		return -ENOMEM;
	return 0;
}

static int set_paths(const struct profile_manifest *m, const char *qemu,
		     struct profile *p)
{
	const char *code, *vars;

	profile_manifest_uefi(m, p->arch, &code, &vars);
	if (code)
		p->capabilities |= PROFILE_CAN_UEFI;
	else
		p->capabilities &= ~(unsigned int)PROFILE_CAN_UEFI;
	return copy_text(qemu, &p->qemu) < 0 || copy_text(m->loader, &p->loader) < 0 ||
			       copy_text("firmware", &p->firmware) < 0 ||
			       copy_text(code, &p->uefi_code) < 0 ||
			       copy_text(vars, &p->uefi_vars) < 0 ||
			       copy_text(m->version, &p->version) < 0
		       ? -ENOMEM
		       : 0;
}

/* The guest that was asked for, else the host's own where it has that, else any. */
static const struct profile_arch *choose_guest(const struct profile_manifest *m)
{
	static const char prefix[] = "bin/qemu-system-";
	const struct profile_arch *arch = profile_arch_find(NULL);

	if (arch && profile_manifest_qemu(m, arch))
		return arch;
	arch = NULL;
	for (size_t i = 0; i < m->n && !arch; i++)
		if (strncmp(m->v[i].path, prefix, strlen(prefix)) == 0)
			arch = profile_arch_find(m->v[i].path + strlen(prefix));
	return arch;
}

/* A18: a capability that is missing is found here, not by a QEMU that does not start. */
static int describe(const struct profile_manifest *m, const struct profile_wish *w,
		    struct profile **ret, struct volt_error *e)
{
	const struct profile_arch *arch = w->arch ? w->arch : choose_guest(m);
	_cleanup_(profile_freep) struct profile *p = NULL;
	const char *qemu = arch ? profile_manifest_qemu(m, arch) : NULL;
	int r;

	if (!arch)
		return fail(e, ENOENT, "profile '%s' has no QEMU for any guest", m->name);
	if (!qemu)
		return fail(e, ENOENT,
			    "profile '%s' has no 'qemu-system-%s': install package '%s' "
			    "and run volt qemu build %s",
			    m->name, arch->qemu, arch->package, m->name);
	p = profile_new(m->name, arch);
	if (!p)
		return fail_oom(e);
	p->digest = m->digest;
	p->capabilities = capabilities(m);
	if (set_paths(m, qemu, p) < 0)
		return fail_oom(e);
	r = profile_find_virtiofsd("", p, e);
	if (r >= 0)
		r = profile_check_needs(
			p, w->need | (w->given ? 0 : profile_implies(w->name)), e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

/* -- the tree ---------------------------------------------------------------------- */

static int set_tree(struct profile *p, struct assembled *a, struct volt_error *e)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	p->root = a->root;
	p->lock = a->lock;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", p->root);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return fail_errno(e, "find out where profile '%s' is", p->name);
	path[n] = '\0';
	return copy_text(path, &p->path) < 0 ? fail_oom(e) : 0;
}

static int find_manifest(const struct profiles *ps, const struct profile_wish *w,
			 struct profile_manifest **ret, struct volt_error *e)
{
	const char *who = w->given ? w->given : profile_name_text(w->name);
	_cleanup_free_ char *ref = NULL;
	int r;

	r = profile_find(ps, who, &ref, e);
	return r < 0 ? r : profile_read(ps, ref, ret, e);
}

/* Two who miss the same profile build it once. */
static int build(const struct profiles *ps, const struct profile_wish *w,
		 struct profile_manifest **ret, struct volt_error *e)
{
	_cleanup_close_ int trees = trees_open(ps, e), lock = -1;
	const char *name = profile_name_text(w->name);
	int r;

	if (trees < 0)
		return trees;
	lock = tree_lock(trees, TREE_LOCK_MAKE, name, LOCK_EXCLUSIVE, true);
	if (lock < 0)
		return fail_code(e, lock, "lock profile '%s'", name);
	r = find_manifest(ps, w, ret, NULL);
	if (r == -ENOENT) {
		log_line(ps->log, NOTICE,
			 "profile '%s' is not in the store: building it from the QEMU "
			 "that this host has installed",
			 name);
		r = profile_build_host(ps, w->name, ret, e);
	} else if (r < 0) {
		r = find_manifest(ps, w, ret, e);
	}
	tree_lock_remove(trees, TREE_LOCK_MAKE, name);
	return r;
}

static int assemble(const struct profiles *ps, const struct profile_manifest *m,
		    struct assembled *ret, struct volt_error *e)
{
	int r = profile_assemble(ps, m, ret, e);

	if (r == -EBADMSG) {
		log_line(ps->log, 4, "%s", e ? e->msg : "an object is damaged");
		r = profile_repair(ps, m, e);
		if (r >= 0)
			r = profile_assemble(ps, m, ret, e);
	}
	if (r >= 0 && ret->copied > 0)
		log_line(ps->log, NOTICE,
			 "%zu of the %zu files of profile '%s' had to be copied from the "
			 "store: links between the two do not work",
			 ret->copied, ret->copied + ret->linked, m->name);
	return r;
}

/* It was removed while this process waited for its lock, with the manifest already read: then
 * nobody would ever remove the tree. Once the lock is held and the ref there, both stay. */
static int check_recorded(const struct profiles *ps, const struct profile_manifest *m,
			  struct assembled *tree, struct volt_error *e)
{
	struct disassembled d = DISASSEMBLED_INIT;
	_cleanup_free_ char *ref = NULL;
	char name[PROFILE_TREE_SIZE];

	if (profile_find(ps, profile_tree_name(m, name), &ref, NULL) != -ENOENT)
		return 0;
	closep(&tree->root);
	closep(&tree->lock);
	*tree = (struct assembled)ASSEMBLED_INIT;
	if (profile_disassemble(ps, m, false, &d, NULL) == 0)
		profile_disassembled(&d, m);
	return fail(e, ENOENT, "profile '%s' has just been removed", name);
}

int profile_assemble_new(const struct profiles *ps, const struct profile_manifest *m,
			 char **ret_ref, struct volt_error *e)
{
	_cleanup_close_ int lease = lease_take(ps->store, e);
	struct assembled a = ASSEMBLED_INIT;
	_cleanup_free_ char *ref = NULL;
	char tree[PROFILE_TREE_SIZE];
	int r;

	if (lease < 0)
		return lease;
	/* As long as it has its ref its objects are there. */
	r = profile_find(ps, profile_tree_name(m, tree), &ref, e);
	if (r >= 0)
		r = assemble(ps, m, &a, e);
	if (r >= 0)
		r = check_recorded(ps, m, &a, e);
	/* Before the lock goes: after that the tree may, and the link would stay. */
	if (r >= 0)
		r = profile_link_current(ps, m, e);
	closep(&a.root);
	closep(&a.lock);
	if (r < 0)
		return r;
	*ret_ref = TAKE_PTR(ref);
	return 0;
}

/* Under a lease from before the manifest is read: what it names is there until it is
 * linked. */
static int make(const struct profiles *ps, const struct profile_wish *w,
		struct profile_manifest **ret, struct assembled *ret_tree,
		struct volt_error *e)
{
	_cleanup_close_ int lease = lease_take(ps->store, e);
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	int r;

	if (lease < 0)
		return lease;
	r = find_manifest(ps, w, &m, e);
	if (r == -ENOENT && !w->given)
		r = build(ps, w, &m, e);
	if (r >= 0)
		r = assemble(ps, m, ret_tree, e);
	if (r >= 0)
		r = check_recorded(ps, m, ret_tree, e);
	if (r >= 0)
		*ret = TAKE_PTR(m);
	return r;
}

static bool is_version(const char *given)
{
	_cleanup_free_ char *label = given ? profile_ref_label(given) : NULL;

	return label != NULL;
}

static int resolve_stored(const struct profiles *ps, const struct profile_wish *w,
			  struct profile **ret, struct volt_error *e)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	_cleanup_(profile_freep) struct profile *p = NULL;
	struct assembled tree = ASSEMBLED_INIT;
	int r;

	r = find_manifest(ps, w, &m, e);
	if (r >= 0)
		r = profile_open_tree(ps, m, &tree, e);
	if (r == -ENOENT) {
		profile_manifest_free(TAKE_PTR(m));
		r = make(ps, w, &m, &tree, e);
	}
	if (r < 0)
		return r;
	r = describe(m, w, &p, e);
	if (r >= 0)
		r = set_tree(p, &tree, e);
	if (!p) {
		closep(&tree.root);
		closep(&tree.lock);
	}
	/* The link is for people; a version that was asked for is not the current one. */
	if (r >= 0 && !is_version(w->given))
		r = profile_link_current(ps, m, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

int profile_resolve(const struct profiles *ps, const struct profile_wish *w,
		    struct profile **ret, struct volt_error *e)
{
	if (!w->arch && !w->given)
		return fail(e, ENOTSUP, "no QEMU is known for this architecture");
	if (ps->bindir || !ps->store)
		return profile_resolve_host("", ps->bindir, w, ret, e);
	return resolve_stored(ps, w, ret, e);
}
