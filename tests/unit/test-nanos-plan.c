/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/mman.h>

#include "guest/nanos-plan.h"
#include "image/platform.h"
#include "rootfs-lib.h"

/* An image in the making, and what is wished for. */
struct plan {
	struct world w;
	struct strv args, env, mounts, servers;
	struct nanos_wish wish;
	struct nanos_plan *p;
	struct volt_error e;
};

static void plan_close(struct plan *t)
{
	nanos_plan_free(t->p);
	strv_done(&t->args);
	strv_done(&t->env);
	strv_done(&t->mounts);
	strv_done(&t->servers);
	world_close(&t->w);
}
#define _cleanup_plan_ _cleanup_(plan_close)

static bool plan_open(struct plan *t, const char *arg0)
{
	memset(t, 0, sizeof(*t));
	t->wish = (struct nanos_wish){ .args = &t->args,
				       .env = &t->env,
				       .cwd = "/",
				       .arch = platform_find(NULL)->arch };
	return world_open(&t->w) && strv_add(&t->args, arg0) == 0 &&
	       strv_add(&t->env, "PATH=/usr/bin:/bin") == 0;
}

static bool add_text(struct plan *t, const char *path, uint32_t mode, const char *text)
{
	return add_file(&t->w, path, mode, text, strlen(text));
}

static bool add_copy(struct plan *t, const char *path, uint32_t mode, const char *of)
{
	_cleanup_free_ char *data = NULL;
	size_t size;

	return read_file_at(AT_FDCWD, of, 64 << 20, &data, &size) == 0 &&
	       add_file(&t->w, path, mode, data, size);
}

static bool add_symlink(struct plan *t, const char *path, const char *target)
{
	struct tree_entry l = { .path = path,
				.mode = S_IFLNK | 0777,
				.target = target,
				.size = strlen(target) };

	return add_entry(&t->w, &l);
}

static bool add_directory(struct plan *t, const char *path)
{
	struct tree_entry d = { .path = path, .mode = S_IFDIR | 0755 };

	return add_entry(&t->w, &d);
}

/* A dynamic program with its loader and its library. */
static bool add_program(struct plan *t, const char *path)
{
	return add_copy(t, path, 0755, FAKE_QEMU_ELF) &&
	       add_copy(t, "lib/ld-volt.so.1", 0755, FAKE_ONE) &&
	       add_copy(t, "usr/lib/libone.so.1", 0644, FAKE_ONE);
}

static int make(struct plan *t)
{
	int r = world_finish(&t->w) ? 0 : -EIO;

	r = r ?: nanos_plan_make(t->w.t, t->w.f.store, &t->wish, &t->p, &t->e);
	if (r < 0)
		printf("# %s\n", t->e.msg);
	return r;
}

static const struct tree_entry *in(const struct plan *t, const char *path)
{
	struct tfs_input input;

	nanos_plan_input(t->p, &input);
	return tree_find(input.tree, path);
}

/* What the disk's writer would read of a file. */
static bool holds(const struct plan *t, const char *path, const char *text)
{
	struct tfs_input input;
	_cleanup_free_ char *found = NULL;
	_cleanup_close_ int fd = -1;
	const struct tree_entry *f;

	nanos_plan_input(t->p, &input);
	f = tree_find(input.tree, path);
	fd = f ? input.open(input.data, (uint32_t)(f - input.tree->v), NULL) : -1;
	return fd >= 0 && read_all(fd, 4096, &found, NULL) == 0 &&
	       f->size == strlen(text) && strcmp(found, text) == 0;
}

static void program_is_found_on_path_and_through_links(void)
{
	_cleanup_plan_ struct plan t;

	CHECK(plan_open(&t, "tool"));
	CHECK(add_program(&t, "opt/tool/bin/tool-1.2"));
	CHECK(add_symlink(&t, "bin", "usr/bin"));
	CHECK(add_symlink(&t, "usr/bin/tool", "/etc/alternatives/tool"));
	CHECK(add_symlink(&t, "etc/alternatives/tool",
			  "../../../../opt/tool/bin/tool-1.2"));
	CHECK_INT(make(&t), 0);
	CHECK_STR(nanos_plan_program(t.p), "/opt/tool/bin/tool-1.2");
	CHECK(in(&t, "usr/bin/tool") && in(&t, "etc/alternatives/tool"));
	CHECK(in(&t, "lib/ld-volt.so.1") && in(&t, "usr/lib/libone.so.1"));
}

static void name_with_a_slash_is_relative_to_the_working_directory(void)
{
	_cleanup_plan_ struct plan t;

	CHECK(plan_open(&t, "bin/tool"));
	t.wish.cwd = "/srv/app";
	CHECK(add_program(&t, "srv/app/bin/tool"));
	CHECK_INT(make(&t), 0);
	CHECK_STR(nanos_plan_program(t.p), "/srv/app/bin/tool");
}

/* Older kernels follow no link there. */
static void path_of_the_loader_has_no_links(void)
{
	_cleanup_plan_ struct plan t;
	const struct tree_entry *loader;

	CHECK(plan_open(&t, "/tool"));
	CHECK(add_copy(&t, "tool", 0755, FAKE_QEMU_ELF));
	CHECK(add_symlink(&t, "lib", "usr/lib"));
	CHECK(add_symlink(&t, "usr/lib/ld-volt.so.1", "real/ld.so"));
	CHECK(add_copy(&t, "usr/lib/real/ld.so", 0755, FAKE_ONE));
	CHECK(add_copy(&t, "usr/lib/libone.so.1", 0644, FAKE_ONE));
	CHECK_INT(make(&t), 0);
	CHECK(in(&t, "lib") && S_ISDIR(in(&t, "lib")->mode));
	loader = in(&t, "lib/ld-volt.so.1");
	CHECK(loader && S_ISREG(loader->mode) && loader->hardlink == TREE_NONE);
	CHECK(in(&t, "usr/lib/real/ld.so") &&
	      in(&t, "usr/lib/real/ld.so")->hardlink == TREE_NONE);
	CHECK(in(&t, "lib/libone.so.1"));
	CHECK_STR(in(&t, "lib/libone.so.1")->target, "/usr/lib/libone.so.1");
	CHECK_STR(in(&t, "lib/real")->target, "/usr/lib/real");
}

static void loader_and_libraries_that_are_missing_are_named(void)
{
	_cleanup_plan_ struct plan a, b;

	CHECK(plan_open(&a, "tool") && plan_open(&b, "tool"));
	CHECK(add_copy(&a, "usr/bin/tool", 0755, FAKE_QEMU_ELF));
	CHECK_INT(make(&a), -ENOENT);
	CHECK_STR(a.e.msg, "the loader '/lib/ld-volt.so.1', which '/usr/bin/tool' needs, "
			   "is not in the image: take an image that has it, or link the "
			   "program statically");
	CHECK(add_copy(&b, "usr/bin/tool", 0755, FAKE_QEMU_ELF));
	CHECK(add_copy(&b, "lib/ld-volt.so.1", 0755, FAKE_ONE));
	CHECK_INT(make(&b), -ENOENT);
	CHECK_STR(b.e.msg,
		  "library 'libone.so.1', which '/usr/bin/tool' needs, is not in "
		  "the image: take an image that has it, or link the program statically");
}

static int refusal(const char *path, uint32_t mode, const char *data, size_t size,
		   const char *arg0, const char *arg1, struct volt_error *e)
{
	_cleanup_plan_ struct plan t;
	int r;

	if (!plan_open(&t, arg0) || !add_program(&t, "usr/bin/server") ||
	    !add_file(&t.w, path, mode, data, size) || strv_add(&t.args, arg1) < 0)
		return 1;
	r = make(&t);
	*e = t.e;
	return r;
}

static void scripts_and_shells_are_refused_with_what_to_name_instead(void)
{
	static const char env[] = "#!/usr/bin/env -S X=1 python3 -u\n";
	struct volt_error e;

	CHECK_INT(refusal("entry.sh", 0755, "#!/bin/sh -e\nexec", 17, "/entry.sh",
			  "server", &e),
		  -ENOEXEC);
	CHECK_STR(e.msg,
		  "'/entry.sh' is a script for the shell '/bin/sh': Nanos runs one "
		  "program; name it with --entrypoint, perhaps 'server', and its "
		  "arguments after the image");
	CHECK_INT(refusal("app", 0755, env, sizeof(env) - 1, "/app", "server", &e),
		  -ENOEXEC);
	CHECK_STR(e.msg,
		  "'/app' is a script for 'python3': name that with --entrypoint, and "
		  "the script as its first argument after the image");
	CHECK_INT(refusal("bin/sh", 0755, "\177ELF", 4, "sh", "exec server -x", &e),
		  -ENOEXEC);
	CHECK(strstr(e.msg, "'sh' is a shell: ") && strstr(e.msg, "perhaps 'server'"));
	CHECK_INT(refusal("bin/tini", 0755, "\177ELF", 4, "tini", "nothing", &e),
		  -ENOEXEC);
	CHECK(strstr(e.msg, "'tini' only starts another program: ") &&
	      strstr(e.msg, "name that directly with --entrypoint"));
	CHECK_INT(refusal("bin/busybox", 0755, "\177ELF", 4, "busybox", "ash", &e),
		  -ENOEXEC);
	CHECK(strstr(e.msg, "'busybox' is a shell: "));
}

static void what_is_no_program_is_refused_with_the_reason(void)
{
	struct volt_error e;

	CHECK_INT(refusal("bin/x", 0755, "hello there, this is text", 25, "x", "", &e),
		  -ENOEXEC);
	CHECK_STR(e.msg, "'x' is not an ELF program");
	CHECK_INT(refusal("bin/x", 0755, "", 0, "x", "", &e), -ENOEXEC);
	CHECK_STR(e.msg, "'x' is empty, not an ELF program");
	CHECK_INT(refusal("bin/x", 0644, "\177ELF", 4, "x", "", &e), -EACCES);
	CHECK_STR(e.msg, "program 'x' is no executable file in the image");
	CHECK_INT(refusal("bin/x", 0755, "\177ELF", 4, "y", "", &e), -ENOENT);
	CHECK_STR(e.msg, "program 'y' is not in the image, nowhere on its PATH");
	CHECK_INT(refusal("bin/x", 0755, "\177ELF", 4, "/bin", "", &e), -EACCES);
	CHECK_INT(refusal("bin/x", 0755, "\177ELF", 4, "", "", &e), -ENOENT);
}

/* Changes one byte of a program's head. */
static int refusal_of_changed(size_t at, char value, struct volt_error *e)
{
	_cleanup_free_ char *data = NULL;
	size_t size;

	if (read_file_at(AT_FDCWD, FAKE_QEMU_ELF, 64 << 20, &data, &size) < 0)
		return 1;
	data[at] = value;
	return refusal("usr/bin/x", 0755, data, size, "x", "", e);
}

static void programs_of_other_machines_are_refused(void)
{
	struct volt_error e;

	CHECK_INT(refusal_of_changed(18, (char)183, &e), -ENOEXEC); /* e_machine */
	CHECK(strstr(e.msg, "'x' is a program for arm64, and the machine is ") ||
	      strcmp(platform_find(NULL)->arch, "arm64") == 0);
	CHECK_INT(refusal_of_changed(16, 1, &e), -ENOEXEC); /* e_type */
	CHECK_STR(e.msg, "'x' is an object file, not a program");
	CHECK_INT(refusal_of_changed(16, 4, &e), -ENOEXEC);
	CHECK_STR(e.msg, "'x' is a core dump, not a program");
	CHECK_INT(refusal_of_changed(4, 1, &e), -ENOEXEC); /* EI_CLASS */
}

static void links_that_lead_nowhere_or_around_are_no_program(void)
{
	_cleanup_plan_ struct plan t;

	CHECK(plan_open(&t, "/a/tool"));
	CHECK(add_symlink(&t, "a", "b") && add_symlink(&t, "b", "/a"));
	CHECK_INT(make(&t), -ELOOP);
	CHECK_STR(t.e.msg,
		  "program '/a/tool' is not in the image: a loop of symbolic links");
}

static const struct {
	const char *path;
	uint32_t mode;
	bool in;
} files[] = {
	{ "etc/tool/tool.conf", 0644, true },
	{ "usr/share/tool/page.html", 0644, true },
	{ "usr/share/doc/tool/copyright", 0644, false },
	{ "usr/local/share/man/man1/x.1", 0644, false },
	{ "usr/share/locale/de/LC_MESSAGES/x.mo", 0644, false },
	{ "usr/share/zoneinfo/Europe/Berlin", 0644, true },
	{ "usr/include/stdio.h", 0644, false },
	{ "usr/lib/libz.a", 0644, false },
	{ "srv/include/stdio.h", 0644, true },
	{ "srv/lib/libz.a", 0644, true },
	{ "usr/bin/other", 0755, false },
	{ "usr/bin/data", 0644, true },
	{ "srv/bin/other", 0755, true },
	{ "usr/lib/libunused.so.3", 0644, false },
	{ "usr/lib/tool/plain.txt", 0755, true },
	{ "usr/lib/helper.sh", 0755, true },
	{ "var/lib/dpkg/status", 0644, false },
	{ "var/lib/tool/db", 0644, true },
	{ "etc/init.d/tool", 0755, false },
	{ "usr/lib/python3/x.py", 0644, false },
	{ "opt/python3/x.py", 0644, true },
	{ "usr/share/perl/5/x.pm", 0644, false },
	{ "etc/ssl/certs/ca-certificates.crt", 0644, true },
	{ "dev/console", 0644, false },
	{ "proc/version", 0644, false },
};

static bool add_all_files(struct plan *t)
{
	struct tree_entry device = { .path = "srv/null", .mode = S_IFCHR | 0666 };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (!add_text(t, files[i].path, files[i].mode, files[i].path))
			return false;
	return add_program(t, "usr/bin/tool") && add_entry(&t->w, &device) &&
	       add_directory(t, "var/log/tool");
}

static void files_are_left_out_by_rule_and_in_when_in_doubt(void)
{
	_cleanup_plan_ struct plan t;

	CHECK(plan_open(&t, "tool") && add_all_files(&t));
	CHECK_INT(make(&t), 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (!in(&t, files[i].path) == files[i].in)
			printf("# %s\n", files[i].path);
		CHECK(!in(&t, files[i].path) != files[i].in);
	}
	CHECK(in(&t, "var/log/tool") && !in(&t, "srv/null"));
}

static void full_takes_all_but_what_the_kernel_makes(void)
{
	_cleanup_plan_ struct plan t;

	CHECK(plan_open(&t, "tool") && add_all_files(&t));
	t.wish.full = true;
	CHECK_INT(make(&t), 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		CHECK(!in(&t, files[i].path) ==
		      (strncmp(files[i].path, "dev/", 4) == 0 ||
		       strncmp(files[i].path, "proc/", 5) == 0));
	CHECK(!in(&t, "srv/null"));
}

static void what_arguments_and_variables_name_is_in(void)
{
	_cleanup_plan_ struct plan t;

	CHECK(plan_open(&t, "tool") && add_all_files(&t));
	CHECK(add_copy(&t, "usr/lib/libpreload.so", 0644, FAKE_MODULE));
	CHECK(add_copy(&t, "usr/lib/libtwo.so.2", 0644, FAKE_TWO));
	CHECK(strv_add(&t.args, "--page=/usr/share/doc/tool/copyright") == 0);
	CHECK(strv_add(&t.args, "/usr/lib/python3") == 0);
	CHECK(strv_add(&t.args, "other") == 0);
	CHECK(strv_add(&t.env, "LD_PRELOAD=/usr/lib/libpreload.so") == 0);
	t.wish.cwd = "/usr/bin";
	CHECK_INT(make(&t), 0);
	CHECK(in(&t, "usr/share/doc/tool/copyright") && in(&t, "usr/lib/python3/x.py"));
	CHECK(in(&t, "usr/lib/libpreload.so") && in(&t, "usr/lib/libtwo.so.2"));
	CHECK(in(&t, "usr/bin/other") && !in(&t, "usr/lib/libunused.so.3"));
}

static void library_path_of_the_program_counts(void)
{
	_cleanup_plan_ struct plan t;

	CHECK(plan_open(&t, "tool"));
	CHECK(add_copy(&t, "usr/bin/tool", 0755, FAKE_QEMU_ELF));
	CHECK(add_copy(&t, "lib/ld-volt.so.1", 0755, FAKE_ONE));
	CHECK(add_copy(&t, "opt/here/libone.so.1", 0644, FAKE_ONE));
	CHECK(strv_add(&t.env, "LD_LIBRARY_PATH=/nowhere:/opt/here") == 0);
	CHECK_INT(make(&t), 0);
	CHECK(in(&t, "opt/here/libone.so.1"));
}

static void plugins_bring_what_they_need(void)
{
	_cleanup_plan_ struct plan t;
	json_auto_t *j = NULL;

	CHECK(plan_open(&t, "tool") && add_program(&t, "usr/bin/tool"));
	CHECK(add_copy(&t, "usr/lib/tool/module.so", 0644, FAKE_MODULE));
	CHECK(add_copy(&t, "usr/lib/libtwo.so.2.0", 0644, FAKE_TWO));
	CHECK(add_symlink(&t, "usr/lib/libtwo.so.2", "libtwo.so.2.0"));
	CHECK(add_symlink(&t, "usr/lib/libtwo.so", "libtwo.so.2"));
	CHECK(add_text(&t, "usr/lib/libgone.so.1", 0644, "gone"));
	CHECK(add_symlink(&t, "usr/lib/libgone.so", "libgone.so.1"));
	CHECK(add_symlink(&t, "usr/lib/tool/lost", "nowhere"));
	CHECK_INT(make(&t), 0);
	CHECK(in(&t, "usr/lib/tool/module.so") && in(&t, "usr/lib/libtwo.so.2.0") &&
	      in(&t, "usr/lib/libtwo.so.2"));
	CHECK(!in(&t, "usr/lib/libgone.so.1") && !in(&t, "usr/lib/libgone.so"));
	CHECK(in(&t, "usr/lib/tool/lost"));
	j = nanos_plan_json(t.p, false);
	CHECK_INT(json_array_size(json_object_get(j, "notes")), 0);
}

static void library_that_a_plugin_lacks_is_a_note(void)
{
	_cleanup_plan_ struct plan t;
	json_auto_t *j = NULL;

	CHECK(plan_open(&t, "tool") && add_program(&t, "usr/bin/tool"));
	CHECK(add_copy(&t, "usr/lib/tool/module.so", 0644, FAKE_MODULE));
	CHECK_INT(make(&t), 0);
	j = nanos_plan_json(t.p, true);
	CHECK_STR(
		json_string_value(json_array_get(json_object_get(j, "notes"), 0)),
		"library 'libtwo.so.2', which '/usr/lib/tool/module.so' needs, is not in "
		"the image");
	CHECK(json_array_size(json_object_get(j, "files")) > 5);
}

static void other_name_of_a_file_that_is_out_is_a_file(void)
{
	_cleanup_plan_ struct plan t;
	const struct tree_entry *a, *b;

	CHECK(plan_open(&t, "tool") && add_program(&t, "usr/bin/tool"));
	CHECK(add_text(&t, "usr/bin/data", 0755, "some data"));
	CHECK(tree_builder_link(t.w.b, "var/data", "usr/bin/data", NULL) == 0);
	CHECK(tree_builder_link(t.w.b, "var/more", "usr/bin/data", NULL) == 0);
	CHECK_INT(make(&t), 0);
	a = in(&t, "var/data");
	b = in(&t, "var/more");
	CHECK(a && b && !in(&t, "usr/bin/data"));
	CHECK(a->hardlink == TREE_NONE && b->hardlink != TREE_NONE);
	CHECK(holds(&t, "var/data", "some data") && holds(&t, "var/more", "some data"));
}

static void resolver_host_name_and_missing_files_are_made(void)
{
	_cleanup_plan_ struct plan t;

	CHECK(plan_open(&t, "tool") && add_program(&t, "usr/bin/tool"));
	CHECK(add_text(&t, "etc/hosts", 0644, ""));
	CHECK(add_text(&t, "etc/group", 0644, "wheel:x:0:\n"));
	CHECK(add_symlink(&t, "etc/resolv.conf", "../run/elsewhere"));
	CHECK(strv_add(&t.servers, "10.0.2.3") == 0 &&
	      strv_add(&t.servers, "fe80::1") == 0);
	t.wish.nameservers = &t.servers;
	t.wish.hostname = "box";
	CHECK_INT(make(&t), 0);
	CHECK(holds(&t, "etc/resolv.conf", "nameserver 10.0.2.3\nnameserver fe80::1\n"));
	CHECK(holds(&t, "proc/sys/kernel/hostname", "box\n") &&
	      holds(&t, "etc/hostname", "box\n"));
	CHECK(holds(&t, "etc/hosts",
		    "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 box\n"));
	CHECK(holds(&t, "etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\n"));
	CHECK(holds(&t, "etc/group", "wheel:x:0:\n"));
	CHECK(in(&t, "tmp") && S_ISDIR(in(&t, "tmp")->mode));
}

static void mount_points_and_links_are_where_the_program_will_look(void)
{
	static const struct nanos_link links[] = { { "/var/run/a.conf",
						     "/.volt/0/a.conf" } };
	_cleanup_plan_ struct plan t;

	CHECK(plan_open(&t, "tool") && add_program(&t, "usr/bin/tool"));
	CHECK(add_symlink(&t, "var/run", "/run") && add_symlink(&t, "data", "srv/data"));
	CHECK(add_text(&t, "run/a.conf", 0644, "old"));
	CHECK(strv_add(&t.mounts, "/var/run/db/x") == 0 &&
	      strv_add(&t.mounts, "/data") == 0 && strv_add(&t.mounts, "/.volt/0") == 0);
	t.wish.mount_points = &t.mounts;
	t.wish.links = links;
	t.wish.n_links = 1;
	CHECK_INT(make(&t), 0);
	CHECK(in(&t, "run/db/x") && in(&t, "srv/data") && in(&t, ".volt/0"));
	CHECK(in(&t, "run/a.conf") && S_ISLNK(in(&t, "run/a.conf")->mode));
	CHECK_STR(in(&t, "run/a.conf")->target, "/.volt/0/a.conf");
}

static void file_is_not_put_over_a_directory(void)
{
	static const struct nanos_link links[] = { { "/srv", "/.volt/0/a" } };
	_cleanup_plan_ struct plan t;

	CHECK(plan_open(&t, "tool") && add_program(&t, "usr/bin/tool"));
	CHECK(add_text(&t, "srv/x", 0644, "x"));
	t.wish.links = links;
	t.wish.n_links = 1;
	CHECK_INT(make(&t), -EISDIR);
	CHECK(strstr(t.e.msg, "'/srv' is a directory in the image"));
}

static void digest_is_that_of_the_files_and_nothing_else(void)
{
	_cleanup_plan_ struct plan t;
	struct nanos_plan *again;
	struct digest first;

	CHECK(plan_open(&t, "tool") && add_all_files(&t));
	CHECK_INT(make(&t), 0);
	first = *nanos_plan_digest(t.p);
	CHECK(strv_add(&t.args, "more") == 0 && strv_add(&t.env, "A=b") == 0);
	CHECK_INT(nanos_plan_make(t.w.t, t.w.f.store, &t.wish, &again, NULL), 0);
	CHECK(digest_equal(&first, nanos_plan_digest(again)));
	nanos_plan_free(again);
	CHECK(strv_add(&t.servers, "10.0.2.3") == 0);
	t.wish.nameservers = &t.servers;
	CHECK_INT(nanos_plan_make(t.w.t, t.w.f.store, &t.wish, &again, NULL), 0);
	CHECK(!digest_equal(&first, nanos_plan_digest(again)));
	nanos_plan_free(again);
}

static void record_of_a_machine_has_what_its_program_is_told(void)
{
	_cleanup_plan_ struct plan t;
	json_auto_t *more = json_pack("{s:s}", "noaslr", "t"), *j = NULL;
	json_auto_t *wanted = NULL;
	_cleanup_free_ char *text = NULL;

	CHECK(plan_open(&t, "tool") && add_program(&t, "usr/bin/tool"));
	CHECK(strv_add(&t.args, "a b") == 0 && strv_add(&t.args, "") == 0);
	CHECK(strv_add(&t.env, "A=1=\xc3\xa4") == 0 && strv_add(&t.env, "USER=me") == 0);
	t.wish.cwd = "/srv";
	CHECK_INT(make(&t), 0);
	j = nanos_plan_attributes(&t.wish, t.p, more);
	wanted = json_pack("{s:s, s:[s,s,s], s:{s:s, s:s, s:s, s:s, s:s}, s:s, s:s}",
			   "program", "/usr/bin/tool", "arguments", "tool", "a b", "",
			   "environment", "PATH", "/usr/bin:/bin", "A", "1=\xc3\xa4",
			   "USER", "me", "HOME", "/root", "PWD", "/srv", "cwd", "/srv",
			   "noaslr", "t");
	text = json_dumps(j, 0);
	if (!json_equal(j, wanted))
		printf("# %s\n", text);
	CHECK(json_equal(j, wanted));
}

static void of_doubled_variables_the_last_counts_for_plan_and_guest(void)
{
	_cleanup_plan_ struct plan t;
	json_auto_t *j = NULL;

	CHECK(plan_open(&t, "tool") && add_program(&t, "usr/bin/tool"));
	CHECK(add_copy(&t, "opt/bin/tool", 0755, FAKE_QEMU_ELF));
	CHECK(strv_add(&t.env, "PATHS=/nowhere") == 0 &&
	      strv_add(&t.env, "PATH=/opt/bin") == 0);
	CHECK_INT(make(&t), 0);
	CHECK_STR(nanos_plan_program(t.p), "/opt/bin/tool");
	j = nanos_plan_attributes(&t.wish, t.p, NULL);
	CHECK_STR(json_string_value(
			  json_object_get(json_object_get(j, "environment"), "PATH")),
		  "/opt/bin");
}

static bool has_text(const json_t *list, const char *text)
{
	json_t *item;
	size_t i;

	json_array_foreach((json_t *)list, i, item)
		if (strcmp(json_string_value(item), text) == 0)
			return true;
	return false;
}

static void names_that_are_not_utf_8_are_shown_escaped(void)
{
	_cleanup_plan_ struct plan t;
	json_auto_t *j = NULL;

	CHECK(plan_open(&t, "tool") && add_program(&t, "usr/bin/tool"));
	CHECK(add_text(&t, "srv/caf\xe9", 0644, "latin"));
	CHECK(add_text(&t, "srv/caf\xc3\xa9", 0644, "utf"));
	CHECK_INT(make(&t), 0);
	j = nanos_plan_json(t.p, true);
	CHECK(has_text(json_object_get(j, "files"), "/srv/caf\\xe9"));
	CHECK(has_text(json_object_get(j, "files"), "/srv/caf\xc3\xa9"));
}

/* As many files as are ever made. */
static void all_files_that_are_made_fit(void)
{
	static const char *const made[] = {
		"etc/resolv.conf",          "etc/hosts",  "etc/hostname",
		"proc/sys/kernel/hostname", "etc/passwd", "etc/group",
		"etc/nsswitch.conf"
	};
	_cleanup_plan_ struct plan t;

	CHECK(plan_open(&t, "tool") && add_program(&t, "usr/bin/tool"));
	CHECK(strv_add(&t.servers, "10.0.2.3") == 0);
	t.wish.nameservers = &t.servers;
	t.wish.hostname = "me";
	CHECK_INT(make(&t), 0);
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		CHECK(in(&t, made[i]));
}

int main(void)
{
	RUN(of_doubled_variables_the_last_counts_for_plan_and_guest);
	RUN(names_that_are_not_utf_8_are_shown_escaped);
	RUN(all_files_that_are_made_fit);
	RUN(program_is_found_on_path_and_through_links);
	RUN(name_with_a_slash_is_relative_to_the_working_directory);
	RUN(path_of_the_loader_has_no_links);
	RUN(loader_and_libraries_that_are_missing_are_named);
	RUN(scripts_and_shells_are_refused_with_what_to_name_instead);
	RUN(what_is_no_program_is_refused_with_the_reason);
	RUN(programs_of_other_machines_are_refused);
	RUN(links_that_lead_nowhere_or_around_are_no_program);
	RUN(files_are_left_out_by_rule_and_in_when_in_doubt);
	RUN(full_takes_all_but_what_the_kernel_makes);
	RUN(what_arguments_and_variables_name_is_in);
	RUN(library_path_of_the_program_counts);
	RUN(plugins_bring_what_they_need);
	RUN(library_that_a_plugin_lacks_is_a_note);
	RUN(other_name_of_a_file_that_is_out_is_a_file);
	RUN(resolver_host_name_and_missing_files_are_made);
	RUN(mount_points_and_links_are_where_the_program_will_look);
	RUN(file_is_not_put_over_a_directory);
	RUN(digest_is_that_of_the_files_and_nothing_else);
	RUN(record_of_a_machine_has_what_its_program_is_told);
	return tap_done();
}
