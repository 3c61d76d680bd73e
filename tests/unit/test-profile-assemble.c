/* SPDX-License-Identifier: Apache-2.0 */
#include "profile-lib.h"

static const struct profile_wish kvm_linux = { .name = PROFILE_KVM_LINUX };

static int resolve_x86(struct fixture *f, const char *given, struct profile **ret)
{
	const struct profiles ps = profiles_of(f);
	struct profile_wish w = kvm_linux;

	w.arch = profile_arch_find("x86_64");
	w.given = given;
	return profile_resolve(&ps, &w, ret, &f->e);
}

static bool same_file(const struct fixture *f, const char *a, const char *b)
{
	struct stat x, y;

	return fstatat(f->root, a, &x, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(f->root, b, &y, AT_SYMLINK_NOFOLLOW) == 0 && x.st_ino == y.st_ino;
}

static const char *tree_path(const struct profile_manifest *m, const char *path)
{
	static char text[512];
	char tree[PROFILE_TREE_SIZE];

	(void)snprintf(text, sizeof(text), "qemu/%s/%s", profile_tree_name(m, tree),
		       path);
	return text;
}

static bool links_object(const struct fixture *f, const struct profile_manifest *m,
			 const char *path)
{
	const struct profile_entry *entry = profile_manifest_find(m, path);

	return same_file(f, tree_path(m, path),
			 object_path(&entry->digest,
				     profile_kind(path) == OBJECT_EXEC ? ".x" : ""));
}

static void a_stored_directory_is_assembled_from_hard_links(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_fixture_ struct fixture f;
	char path[640];
	struct stat st;

	CHECK(fixture_open(&f));
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &m), 0);
	CHECK_INT(resolve_x86(&f, NULL, &p), 0);
	CHECK_STR(p->name, "kvm-linux");
	CHECK_STR(p->qemu, "bin/qemu-system-x86_64");
	CHECK_STR(p->loader, "lib/ld-linux-x86-64.so.2");
	CHECK_STR(p->firmware, "firmware");
	CHECK_STR(p->version, "7.2.22");
	CHECK(digest_equal(&p->digest, &m->digest));
	(void)snprintf(path, sizeof(path), "%s/%s", f.path, tree_path(m, ""));
	path[strlen(path) - 1] = '\0';
	CHECK_STR(p->path, path);
	for (size_t i = 0; i < m->n; i++)
		CHECK(links_object(&f, m, m->v[i].path));
	CHECK_INT(fstatat(p->root, p->qemu, &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0555);
	CHECK_INT(fstatat(p->root, "lib/libc.so.6", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0444);
}

int main(void)
{
	RUN(a_stored_directory_is_assembled_from_hard_links);
	return tap_done();
}
