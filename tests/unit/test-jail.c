/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/path.h"
#include "base/spawn.h"
#include "tap.h"

/* Every rule is proved as who runs the tests and, where that is root, as an ordinary user. */
#define UID_ORDINARY 65534
#define UID_MACHINE  0x51234567u

static char dir[] = "/tmp/volt-jail-XXXXXX";
static int top;

static int open_dir(const char *name)
{
	return openat(top, name, O_PATH | O_CLOEXEC);
}

static void put(const char *name, const char *text)
{
	int fd = openat(top, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	(void)fchmod(fd, 0666);
	(void)write_all(fd, text, strlen(text));
	(void)close(fd);
}

/* A root with the program in /bin, and what the caller has added. */
static int look_as(struct jail *j, uid_t uid, const char *const *questions, char **out,
		   struct volt_error *e)
{
	const char *argv[16] = { "/bin/jail-view" };
	_cleanup_close_ int bin = open_dir("bin");
	struct spawn s = SPAWN_INIT;

	for (int i = 0; questions[i]; i++)
		argv[i + 1] = questions[i];
	(void)jail_add(j, bin, "bin", JAIL_EXEC);
	s.argv = argv;
	s.env = (const char *const[]){ NULL };
	s.jail = j;
	s.uid = uid;
	s.gid = uid;
	return spawn_run(&s, 4096, out, e);
}

static int look(struct jail *j, const char *const *questions, char **out)
{
	struct volt_error e = { 0 };
	int r = look_as(j, 0, questions, out, &e);

	if (r < 0)
		printf("# %s\n", e.msg);
	return r;
}
#define LOOK(jail, ret, ...) look(jail, (const char *const[]){ __VA_ARGS__, NULL }, ret)

static void the_root_holds_what_was_bound_and_nothing_else(void)
{
	_cleanup_close_ int file = open_dir("file"), tree = open_dir("tree");
	_cleanup_free_ char *out = NULL;
	struct jail j = { 0 };

	(void)jail_add(&j, file, "kernel", 0);
	(void)jail_add(&j, tree, "v0", JAIL_WRITABLE);
	(void)jail_add(&j, file, "etc/resolv.conf", 0);
	CHECK_INT(LOOK(&j, &out, "ls:/", "ls:/..", "ls:/etc", "ls:/v0", "ls:."), 0);
	CHECK_STR(out, "ls bin etc kernel v0\nls bin etc kernel v0\nls resolv.conf\n"
		       "ls inside\nls bin etc kernel v0\n");
}

static void nothing_of_the_host_is_there(void)
{
	_cleanup_free_ char *out = NULL;
	struct jail j = { 0 };

	CHECK_INT(LOOK(&j, &out, "open:/proc", "open:/etc/passwd", "open:/dev/null",
		       "open:/bin/../../../../etc/passwd"),
		  0);
	CHECK_STR(out, "ENOENT\nENOENT\nENOENT\nENOENT\n");
}

static void its_own_descriptors_are_all_of_proc_that_there_can_be(void)
{
	_cleanup_free_ char *out = NULL;
	struct jail j = { .own_fds = true };

	CHECK_INT(LOOK(&j, &out, "ls:/", "ls:/proc", "ls:/proc/self",
		       "write:/proc/self/fd/1", "open:/proc/self/fd/../status",
		       "open:/proc/1", "write:/proc/new", "flags:/proc/self/fd"),
		  0);
	CHECK_STR(out, "ls bin proc\nls self\nls fd\nok\nENOENT\nENOENT\nEROFS\n"
		       "ro nosuid nodev noexec\n");
}

static void only_what_is_writable_can_be_written(void)
{
	_cleanup_close_ int file = open_dir("file"), tree = open_dir("tree");
	_cleanup_free_ char *out = NULL;
	struct jail j = { 0 };
	struct stat st;

	(void)jail_add(&j, file, "kernel", 0);
	(void)jail_add(&j, tree, "v0", JAIL_WRITABLE);
	(void)jail_add(&j, tree, "v1", 0);
	CHECK_INT(LOOK(&j, &out, "write:/new", "write:/bin/new", "write:/kernel",
		       "text:/kernel", "write:/v1/new", "write:/v0/new"),
		  0);
	CHECK_STR(out, "EROFS\nEROFS\nEROFS\nthe kernel\nEROFS\nok\n");
	CHECK_INT(fstatat(top, "tree/new", &st, 0), 0);
	CHECK_INT(unlinkat(top, "tree/new", 0), 0);
}

static void mounts_allow_no_more_than_they_must(void)
{
	_cleanup_close_ int tree = open_dir("tree");
	_cleanup_free_ char *out = NULL;
	struct jail j = { 0 };

	(void)jail_add(&j, tree, "v0", JAIL_WRITABLE);
	CHECK_INT(LOOK(&j, &out, "flags:/bin", "flags:/v0", "flags:/"), 0);
	CHECK_STR(out, "ro nosuid nodev\nrw nosuid nodev noexec\nro nosuid noexec\n");
}

static void no_capability_is_left_and_none_comes_back(void)
{
	_cleanup_free_ char *out = NULL;
	struct jail j = { 0 };

	CHECK_INT(LOOK(&j, &out, "rights"), 0);
	CHECK_STR(out, "caps 000000000 bounding 0 no_new_privs 1\n");
}

static void a_network_of_its_own_has_nothing_in_it(void)
{
	_cleanup_free_ char *out = NULL;
	struct jail j = { 0 };

	CHECK_INT(LOOK(&j, &out, "network"), 0);
	CHECK_STR(out, "host volt net lo\n");
}

static void the_host_s_network_is_there_if_asked_for(void)
{
	_cleanup_free_ char *out = NULL, *link = NULL;
	const char *const argv[] = { "/bin/readlink", "/proc/self/ns/net", NULL };
	_cleanup_close_ int proc = open("/proc", O_PATH | O_CLOEXEC);
	_cleanup_close_ int bin = open("/bin", O_PATH | O_CLOEXEC);
	_cleanup_close_ int lib = open("/lib", O_PATH | O_CLOEXEC);
	_cleanup_close_ int lib64 = open("/lib64", O_PATH | O_CLOEXEC);
	struct jail j = { .host_network = true };
	struct spawn s = SPAWN_INIT;
	char own[64] = "";

	(void)jail_add(&j, bin, "bin", JAIL_EXEC);
	(void)jail_add(&j, lib, "lib", JAIL_EXEC);
	if (lib64 >= 0)
		(void)jail_add(&j, lib64, "lib64", JAIL_EXEC);
	(void)jail_add(&j, proc, "proc", 0);
	s.argv = argv;
	s.jail = &j;
	CHECK(readlink("/proc/self/ns/net", own, sizeof(own) - 1) > 0);
	CHECK_INT(spawn_run(&s, 4096, &out, NULL), 0);
	out[strcspn(out, "\n")] = '\0';
	CHECK_STR(out, own);
	j.host_network = false;
	CHECK_INT(spawn_run(&s, 4096, &link, NULL), 0);
	link[strcspn(link, "\n")] = '\0';
	CHECK(strcmp(link, own) != 0);
}

static void what_is_mounted_below_comes_along(void)
{
	_cleanup_close_ int proc = open("/proc", O_PATH | O_CLOEXEC);
	_cleanup_close_ int dev = open("/dev", O_PATH | O_CLOEXEC);
	_cleanup_free_ char *out = NULL;
	struct jail j = { 0 };
	struct stat st;

	/* /dev/pts and the like: file systems of their own on any host. */
	if (stat("/dev/pts/ptmx", &st) < 0) {
		printf("# no /dev/pts here\n");
		return;
	}
	(void)jail_add(&j, dev, "v0", 0);
	CHECK_INT(LOOK(&j, &out, "ls:/v0/pts", "flags:/v0/pts"), 0);
	CHECK(strstr(out, "ptmx"));
	CHECK(strstr(out, "\nro nosuid nodev noexec\n"));
}

static void what_was_exchanged_meanwhile_is_refused(void)
{
	_cleanup_close_ int file = -1;
	_cleanup_free_ char *out = NULL;
	struct jail j = { 0 };
	struct volt_error e = { 0 };
	const char *const questions[] = { "ls:/", NULL };

	put("changing", "first");
	file = open_dir("changing");
	CHECK_INT(renameat(top, "changing", top, "moved"), 0);
	put("changing", "second");
	(void)jail_add(&j, file, "kernel", 0);
	/* The kernel knows where it went. */
	CHECK_INT(LOOK(&j, &out, "text:/kernel"), 0);
	CHECK_STR(out, "first\n");
	CHECK_INT(unlinkat(top, "moved", 0), 0);
	CHECK_INT(look_as(&j, 0, questions, NULL, &e), -ESTALE);
	CHECK(strstr(e.msg, "start '/bin/jail-view': show '"));
	CHECK(strstr(e.msg, "moved (deleted)' as '/kernel' in an empty root: Stale"));
}

static void a_missing_program_is_said_as_ever(void)
{
	const char *const argv[] = { "/bin/none", NULL };
	struct jail j = { 0 };
	struct spawn s = SPAWN_INIT;
	struct volt_error e = { 0 };

	s.argv = argv;
	s.jail = &j;
	CHECK_INT(spawn_run(&s, 4096, NULL, &e), -ENOENT);
	CHECK_STR(e.msg, "start '/bin/none': No such file or directory");
}

static void one_too_many_is_refused(void)
{
	struct jail j = { 0 };

	for (int i = 0; i < JAIL_BINDS_MAX; i++)
		CHECK_INT(jail_add(&j, top, "x", 0), 0);
	CHECK_INT(jail_add(&j, top, "x", 0), -E2BIG);
}

/* --- in a child, which cannot go back --- */

static void in_child(void (*fn)(void))
{
	int status = -1;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		fn();
		(void)fflush(stdout);
		_exit(tap_bad);
	}
	(void)waitpid(pid, &status, 0);
	tap_bad = status != 0;
}

static void write_to(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK_INT(write_all(fd, text, strlen(text)), 0);
}

static void enter_user_namespace(void)
{
	char map[64];

	(void)snprintf(map, sizeof(map), "%u %u 1", geteuid(), geteuid());
	CHECK_INT(unshare(CLONE_NEWUSER | CLONE_NEWNS), 0);
	write_to("/proc/self/setgroups", "deny");
	write_to("/proc/self/uid_map", map);
	write_to("/proc/self/gid_map", map);
}

static void drop_all(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	CHECK_INT(syscall(SYS_capset, &head, none), 0);
}

/* As with the supervisor, which may have gone to a namespace of its own for its volumes. */
static void look_from_namespace(void)
{
	_cleanup_close_ int before = open_dir("tree"), after = -1;
	_cleanup_free_ char *out = NULL;
	char path[64];
	struct jail j = { 0 };

	enter_user_namespace();
	(void)snprintf(path, sizeof(path), "%s/mounts", dir);
	CHECK_INT(mount("volt", path, "tmpfs", 0, "mode=0755"), 0);
	after = open(path, O_PATH | O_CLOEXEC);
	CHECK_INT(mkdirat(after, "mounted", 0755), 0);
	(void)jail_add(&j, before, "v0", 0);
	(void)jail_add(&j, after, "v1", 0);
	CHECK_INT(LOOK(&j, &out, "ls:/v0", "ls:/v1"), 0);
	CHECK_STR(out, "ls inside\nls mounted\n");
}

static void a_caller_in_a_namespace_of_its_own_is_served(void)
{
	in_child(look_from_namespace);
}

static void look_without_namespaces(void)
{
	const char *const questions[] = { "ls:/", NULL };
	struct jail j = { 0 };
	struct volt_error e = { 0 };

	enter_user_namespace();
	write_to("/proc/sys/user/max_user_namespaces", "0");
	drop_all();
	CHECK_INT(look_as(&j, 0, questions, NULL, &e), -ENOTSUP);
	CHECK_STR(e.msg, "start '/bin/jail-view': make namespaces for an empty root: "
			 "No space left on device");
}

static void where_there_are_no_namespaces_that_is_said(void)
{
	in_child(look_without_namespaces);
}

static void look_as_machine(void)
{
	const char *const questions[] = { "ids", "rights", "write:/v0/new", NULL };
	_cleanup_close_ int tree = open_dir("tree");
	_cleanup_free_ char *out = NULL;
	struct jail j = { 0 };
	struct volt_error e = { 0 };

	(void)jail_add(&j, tree, "v0", JAIL_WRITABLE);
	CHECK_INT(look_as(&j, UID_MACHINE, questions, &out, &e), 0);
	CHECK_STR(out, "uid 1361266023 gid 1361266023 groups 0\n"
		       "caps 000000000 bounding 0 no_new_privs 1\nEACCES\n");
}

static void root_s_program_is_another_user(void)
{
	if (geteuid() == 0)
		look_as_machine();
}

static void look_with_capability(void)
{
	const char *const questions[] = { "rights", "write:/v0/new", "write:/bin/new",
					  NULL };
	_cleanup_close_ int tree = open_dir("tree");
	_cleanup_free_ char *out = NULL;
	struct jail j = { .capabilities = 1 << CAP_DAC_OVERRIDE };
	struct volt_error e = { 0 };

	(void)jail_add(&j, tree, "v0", JAIL_WRITABLE);
	CHECK_INT(look_as(&j, UID_MACHINE, questions, &out, &e), 0);
	CHECK_STR(out, "caps 000000002 bounding 1 no_new_privs 1\nok\nEROFS\n");
	CHECK_INT(unlinkat(top, "tree/new", 0), 0);
}

static void a_capability_that_is_kept_is_the_only_one(void)
{
	if (geteuid() == 0)
		look_with_capability();
}

/* The node is the machine's, whatever the host's permissions are. */
static void open_device(void)
{
	const char *const questions[] = { "ls:/dev", "open:/dev/kvm", "open:/v0/null",
					  NULL };
	_cleanup_close_ int null = open("/dev/null", O_PATH | O_CLOEXEC);
	_cleanup_close_ int tree = open_dir("tree");
	_cleanup_free_ char *out = NULL;
	struct jail j = { 0 };
	struct volt_error e = { 0 };

	if (mknodat(tree, "null", S_IFCHR | 0666, makedev(1, 3)) < 0) {
		printf("# no device nodes here\n");
		return;
	}
	(void)jail_add(&j, null, "dev/kvm", JAIL_DEVICE);
	(void)jail_add(&j, tree, "v0", JAIL_WRITABLE);
	CHECK_INT(look_as(&j, UID_MACHINE, questions, &out, &e), 0);
	CHECK_STR(out, "ls kvm\nok\nEACCES\n");
	CHECK_INT(unlinkat(top, "tree/null", 0), 0);
}

static void a_device_works_only_where_it_was_given(void)
{
	_cleanup_close_ int null = open("/dev/null", O_PATH | O_CLOEXEC);
	_cleanup_free_ char *out = NULL;
	struct jail j = { 0 };

	(void)jail_add(&j, null, "dev/kvm", JAIL_DEVICE | JAIL_WRITABLE);
	CHECK_INT(LOOK(&j, &out, "open:/dev/kvm"), 0);
	CHECK_STR(out, "ok\n");
	if (geteuid() == 0)
		open_device();
}

static void run_all(void)
{
	RUN(the_root_holds_what_was_bound_and_nothing_else);
	RUN(nothing_of_the_host_is_there);
	RUN(its_own_descriptors_are_all_of_proc_that_there_can_be);
	RUN(only_what_is_writable_can_be_written);
	RUN(mounts_allow_no_more_than_they_must);
	RUN(no_capability_is_left_and_none_comes_back);
	RUN(a_network_of_its_own_has_nothing_in_it);
	RUN(the_host_s_network_is_there_if_asked_for);
	RUN(what_is_mounted_below_comes_along);
	RUN(what_was_exchanged_meanwhile_is_refused);
	RUN(a_missing_program_is_said_as_ever);
	RUN(one_too_many_is_refused);
	RUN(a_device_works_only_where_it_was_given);
	RUN(root_s_program_is_another_user);
	RUN(a_capability_that_is_kept_is_the_only_one);
	RUN(a_caller_in_a_namespace_of_its_own_is_served);
}

static bool set_up(void)
{
	_cleanup_close_ int program = open(JAIL_VIEW, O_RDONLY | O_CLOEXEC), copy = -1;
	struct stat st;

	if (!mkdtemp(dir) || chmod(dir, 0777) < 0)
		return false;
	top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (program < 0 || fstat(program, &st) < 0 || mkdirat(top, "bin", 0755) < 0 ||
	    mkdirat(top, "tree", 0755) < 0 || mkdirat(top, "mounts", 0755) < 0)
		return false;
	copy = openat(top, "bin/jail-view", O_CREAT | O_RDWR | O_CLOEXEC, 0755);
	if (copy < 0 || copy_bytes(program, 0, copy, 0, st.st_size) < 0)
		return false;
	put("file", "the kernel\n");
	put("tree/inside", "");
	return true;
}

static int run_as_ordinary_user(void)
{
	int n, status = -1;
	pid_t pid;

	(void)fflush(stdout);
	if (fchownat(top, "tree", UID_ORDINARY, UID_ORDINARY, 0) < 0 ||
	    fchownat(top, "mounts", UID_ORDINARY, UID_ORDINARY, 0) < 0)
		return 0;
	pid = fork();
	if (pid == 0) {
		if (setresgid(UID_ORDINARY, UID_ORDINARY, UID_ORDINARY) < 0 ||
		    setresuid(UID_ORDINARY, UID_ORDINARY, UID_ORDINARY) < 0 ||
		    prctl(PR_SET_DUMPABLE, 1) < 0) /* as after an exec */
			_exit(0);
		printf("# as an ordinary user\n");
		n = tap_n;
		run_all();
		RUN(where_there_are_no_namespaces_that_is_said);
		(void)fflush(stdout);
		_exit(tap_n - n);
	}
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

int main(void)
{
	char *name;

	umask(022);
	if (!set_up())
		return 1;
	run_all();
	if (geteuid() == 0)
		tap_n += run_as_ordinary_user();
	else
		RUN(where_there_are_no_namespaces_that_is_said);
	name = strrchr(dir, '/');
	*name = '\0';
	(void)remove_tree_at(open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), name + 1);
	return tap_done();
}
