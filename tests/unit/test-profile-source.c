/* SPDX-License-Identifier: Apache-2.0 */
/* `volt qemu build --from source` with sources whose configure and program are a few lines:
 * what is real about it is apt, ninja, the compiler, and what becomes of results, failures
 * and deaths. */
#include <signal.h>
#include <sys/wait.h>

#include "base/spawn.h"
#include "profile-lib.h"
#include "profile/source.h"

#define RECIPE                                             \
	"source qemu trixie\nfeature kvm seccomp\n"        \
	"format raw qcow2\ndevice VIRTIO_BLK VIRTIO_NET\n" \
	"target " TARGET " Q35\n"

#if defined(__aarch64__)
#define TARGET "aarch64"
#define OTHER  "x86_64"
#else
#define TARGET "x86_64"
#define OTHER  "aarch64"
#endif

static char said[8192];

static void remember(void *data, int level, const char *line)
{
	(void)data;
	(void)level;
	(void)strncat(said, line, sizeof(said) - strlen(said) - 2);
	(void)strncat(said, "\n", 2);
}

static int run(struct fixture *f, const char *const *argv)
{
	struct spawn s = SPAWN_INIT;

	s.argv = argv;
	s.cwd = f->root;
	return spawn_run(&s, 0, NULL, &f->e);
}

/* Sources that bring a meson of their own. */
static bool open_fixture(struct fixture *f)
{
	const char *const copy[] = { "cp", "-R", FAKE_SOURCE, "source", NULL };

	said[0] = 0;
	return fixture_open(f) && run(f, copy) == 0 &&
	       write_below(f, "recipe", RECIPE, 0600) == 0 &&
	       write_below(f, "source/python/wheels/meson-1.5.0-py3-none-any.whl", "",
			   0600) == 0;
}

/* What the fake configure does first. */
static int happens(struct fixture *f, const char *script)
{
	return write_below(f, "source/happens", script, 0600);
}

static int build(struct fixture *f, const char *source, const struct apt_archive *archive,
		 struct profile_manifest **ret)
{
	static const struct log log = { remember, NULL };
	struct profiles ps = profiles_of(f);
	char recipe[256], from[256];
	struct profile_source o = { .recipe = recipe, .archive = archive, .jobs = 1 };

	ps.log = &log;
	(void)snprintf(recipe, sizeof(recipe), "%s/recipe", f->path);
	(void)snprintf(from, sizeof(from), "%s/%s", f->path, source ? source : "");
	if (source)
		o.source = from;
	return profile_build_source(&ps, PROFILE_KVM_LINUX, &o, ret, &f->e);
}

/* Fails as it must, and says @message behind what it always says. */
static bool fails(struct fixture *f, int code, const char *message)
{
	struct profile_manifest *m = NULL;
	char text[600];
	int r = build(f, "source", NULL, &m);

	(void)snprintf(text, sizeof(text), "build 'kvm-linux' from source: %s", message);
	if (r == code && strncmp(f->e.msg, text, strlen(text)) == 0)
		return true;
	printf("# %d: %s\n", r, f->e.msg);
	return false;
}

static unsigned int count_works(const struct fixture *f)
{
	_cleanup_close_ int fd =
		openat(f->root, "qemu", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *de;
	unsigned int n = 0;

	if (fd >= 0 && dir_stream(fd, &d) == 0)
		while ((de = dir_next(d)))
			n += strncmp(de->d_name, ".work-", 6) == 0 &&
			     strcmp(de->d_name, ".work-lock") != 0;
	return n;
}

static bool has_text(const struct fixture *f, const struct profile_manifest *m,
		     const char *path, const char *text)
{
	const struct profile_entry *entry = profile_manifest_find(m, path);
	_cleanup_free_ char *data = NULL;
	size_t size;

	return entry &&
	       read_file_at(f->root, object_path(&entry->digest, ".x"), 64u << 20, &data,
			    &size) == 0 &&
	       memmem(data, size, text, strlen(text));
}

#define PROGRAM "bin/qemu-system-" TARGET

static void what_is_compiled_becomes_a_profile(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_fixture_ struct fixture f;
	const struct profile_entry *libc;

	CHECK(open_fixture(&f));
	CHECK_INT(build(&f, "source", NULL, &m), 0);
	CHECK_STR(m->name, "kvm-linux");
	CHECK_STR(m->version, "10.0.7");
	CHECK_INT(m->capabilities, PROFILE_CAN_KVM);
	CHECK(m->loader && profile_manifest_find(m, m->loader));
	libc = profile_manifest_find(m, "lib/libc.so.6");
	CHECK(libc != NULL);
	CHECK(profile_manifest_source(m, "lib/libc.so.6") != NULL);
	CHECK(!profile_manifest_source(m, PROGRAM)); /* nothing to repair it from */
	CHECK_INT(m->n, 3);
	CHECK(strstr(said, "compiling QEMU: 1 of 12\n"));
	CHECK(strstr(said, "compiling QEMU: 12 of 12\n"));
	CHECK_INT(count_works(&f), 0);
}

/* Nothing but what the recipe names is on. */
static void configure_is_told_what_the_recipe_says(void)
{
	static const char *const texts[] = {
		" --without-default-features ",
		" --without-default-devices ",
		" --disable-download ",
		" --enable-stack-protector ",
		" --disable-tcg --enable-kvm --enable-seccomp ",
		" --with-devices-" TARGET "=volt --target-list=" TARGET "-softmmu ",
		" --block-drv-rw-whitelist=raw,qcow2 "
		"CONFIG_Q35=y CONFIG_VIRTIO_BLK=y CONFIG_VIRTIO_NET=y ",
	};
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_fixture_ struct fixture f;

	CHECK(open_fixture(&f));
	CHECK_INT(build(&f, "source", NULL, &m), 0);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		CHECK(has_text(&f, m, PROGRAM, texts[i]));
	CHECK(!has_text(&f, m, PROGRAM,
			f.path)); /* the same bytes wherever it is built */
}

static void the_same_sources_are_the_same_profile(void)
{
	_cleanup_manifest_ struct profile_manifest *one = NULL, *two = NULL;
	_cleanup_fixture_ struct fixture f;

	CHECK(open_fixture(&f));
	CHECK_INT(build(&f, "source", NULL, &one), 0);
	CHECK_INT(build(&f, "source", NULL, &two), 0);
	CHECK(digest_equal(&one->digest, &two->digest));
}

static void a_recipe_of_several_targets_makes_a_program_of_each(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_fixture_ struct fixture f;

	CHECK(open_fixture(&f));
	CHECK_INT(write_below(&f, "recipe",
			      "source qemu trixie\nfeature tcg\nformat raw\n"
			      "target x86_64 Q35\ntarget aarch64 ARM_VIRT\n",
			      0600),
		  0);
	CHECK_INT(build(&f, "source", NULL, &m), 0);
	CHECK_INT(m->capabilities, PROFILE_CAN_TCG);
	CHECK(has_text(&f, m, "bin/qemu-system-x86_64", "CONFIG_Q35=y"));
	CHECK(has_text(&f, m, "bin/qemu-system-aarch64", "CONFIG_ARM_VIRT=y"));
	CHECK(!has_text(&f, m, "bin/qemu-system-aarch64", "--disable-tcg"));
}

static void a_directory_of_sources_stays_as_it_is(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_fixture_ struct fixture f;

	CHECK(open_fixture(&f));
	CHECK_INT(build(&f, "source", NULL, &m), 0);
	CHECK(faccessat(f.root, "source/configs/devices/" TARGET "-softmmu/volt.mak",
			F_OK, 0) < 0);
}

static void sources_may_be_an_archive(void)
{
	static const char *const pack[] = { "tar", "-cJf", "qemu.tar.xz", "source",
					    NULL };
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_fixture_ struct fixture f;

	CHECK(open_fixture(&f));
	CHECK_INT(run(&f, pack), 0);
	CHECK_INT(build(&f, "qemu.tar.xz", NULL, &m), 0);
	CHECK_STR(m->version, "10.0.7");
	CHECK_INT(count_works(&f), 0);
}

/* The whole way: lists, sources, and a meson that is new enough. */
static void debian_s_sources_come_by_apt(void)
{
	static const char *const make[] = { MAKE_APT_ARCHIVE, "archive", FAKE_SOURCE,
					    NULL };
	_cleanup_manifest_ struct profile_manifest *m = NULL, *again = NULL;
	_cleanup_fixture_ struct fixture f;
	struct apt_archive a = { 0 };
	char key[128];

	CHECK(open_fixture(&f));
	CHECK_INT(run(&f, make), 0);
	(void)snprintf(key, sizeof(key), "%s/archive/key.gpg", f.path);
	a.keyring = key;
	CHECK_INT(strv_addf(&a.suites, "file:%s/archive trixie", f.path), 0);
	CHECK_INT(build(&f, NULL, &a, &m), 0);
	CHECK_STR(m->version, "10.0.7");
	CHECK(strstr(said, "downloading the sources of qemu"));
	CHECK_INT(build(&f, "archive/pool/qemu_10.0.dsc", &a, &again), 0);
	CHECK(digest_equal(&m->digest, &again->digest));
	CHECK_INT(count_works(&f), 0);
	strv_done(&a.suites);
}

static void no_sources_is_told_with_what_to_do(void)
{
	_cleanup_fixture_ struct fixture f;
	struct profile_manifest *m = NULL;
	struct apt_archive a = { 0 };
	char key[128];

	CHECK(open_fixture(&f));
	(void)snprintf(key, sizeof(key), "%s/recipe", f.path);
	a.keyring = key;
	CHECK_INT(strv_add(&a.suites, "file:/no/such/archive trixie"), 0);
	CHECK_INT(build(&f, NULL, &a, &m), -EIO);
	CHECK(strstr(f.e.msg,
		     "build 'kvm-linux' from source: no sources ('--source' takes "
		     "your own): get Debian's lists of 'trixie': "));
	CHECK_INT(count_works(&f), 0);
	CHECK_INT(build(&f, "none", NULL, &m), -ENOENT);
	CHECK(strstr(f.e.msg, "/none': No such file"));
	CHECK_INT(build(&f, "recipe", NULL, &m), -EIO);
	CHECK(strstr(f.e.msg, "unpack the sources '"));
	CHECK_INT(count_works(&f), 0);
	strv_done(&a.suites);
}

static void packages_that_are_missing_are_named_all_at_once(void)
{
	_cleanup_fixture_ struct fixture f;

	CHECK(open_fixture(&f));
	CHECK_INT(write_below(&f, "recipe",
			      RECIPE "package dpkg no-such-a no-such-b1.2++\n", 0600),
		  0);
	CHECK(fails(&f, -ENOENT,
		    "packages that compiling QEMU needs are missing: install them with "
		    "'apt-get install no-such-a no-such-b1.2++'"));
}

static void firmware_that_is_not_known_is_named_at_once(void)
{
	_cleanup_fixture_ struct fixture f;

	CHECK(open_fixture(&f));
	CHECK_INT(write_below(&f, "recipe", RECIPE "firmware no-such.bin\n", 0600), 0);
	CHECK(fails(&f, -ENOTSUP,
		    "it is not known where a host has firmware 'no-such.bin'"));
	CHECK_STR(said, "");
}

static void kvm_for_another_architecture_is_refused(void)
{
	_cleanup_fixture_ struct fixture f;

	CHECK(open_fixture(&f));
	CHECK_INT(write_below(&f, "recipe",
			      "source qemu trixie\nfeature kvm\nformat raw\n"
			      "target " OTHER "\n",
			      0600),
		  0);
	CHECK(fails(&f, -ENOTSUP, "the recipe of 'kvm-linux' is for KVM on "));
}

static void the_line_that_says_why_is_told(void)
{
	_cleanup_fixture_ struct fixture f;

	CHECK(open_fixture(&f));
	CHECK_INT(happens(&f, "echo some text; echo 'ERROR: unknown option x'; exit 1"),
		  0);
	CHECK(fails(&f, -EIO, "configure QEMU: ERROR: unknown option x"));
	CHECK_INT(count_works(&f), 0);
	CHECK_INT(happens(&f, ""), 0);
	CHECK_INT(write_below(&f, "source/qemu.c", "#error no such thing\n", 0600), 0);
	CHECK(fails(&f, -EIO,
		    "compile QEMU: ../source/qemu.c:1:2: error: #error no such "
		    "thing"));
	CHECK_INT(count_works(&f), 0);
}

static void a_full_disk_is_told_as_that(void)
{
	_cleanup_fixture_ struct fixture f;

	CHECK(open_fixture(&f));
	CHECK_INT(happens(&f, "cat /dev/zero >/dev/full"), 0);
	CHECK(fails(&f, -ENOSPC, "configure QEMU: No space left on device"));
	CHECK_INT(count_works(&f), 0);
}

static void what_is_no_qemu_is_not_kept(void)
{
	_cleanup_fixture_ struct fixture f;

	CHECK(open_fixture(&f));
	CHECK_INT(
		write_below(&f, "source/qemu.c", "int main(void) { return 1; }\n", 0600),
		0);
	CHECK(fails(&f, -EIO, "start what was compiled: "));
	CHECK_INT(write_below(&f, "source/qemu.c",
			      "#include <stdio.h>\n"
			      "int main(void) { return puts(\"hello\") < 0; }\n",
			      0600),
		  0);
	CHECK(fails(&f, -EBADMSG, "what was compiled is no QEMU: it says 'hello"));
	CHECK_INT(count_works(&f), 0);
}

static void sources_of_something_else_are_refused(void)
{
	static const char *const away[] = { "rm", "-r", "source/configs", NULL };
	_cleanup_fixture_ struct fixture f;

	CHECK(open_fixture(&f));
	CHECK_INT(run(&f, away), 0);
	CHECK(fails(&f, -ENOENT, "the sources are no QEMU's that knows '" TARGET "'"));
	CHECK_INT(count_works(&f), 0);
}

/* A link in the sources does not lead volt's list of devices out of them. */
static void sources_with_links_write_nothing_outside(void)
{
	static const char *const away[] = { "rm", "-r",
					    "source/configs/devices/" TARGET "-softmmu",
					    NULL };
	_cleanup_fixture_ struct fixture f;

	CHECK(open_fixture(&f));
	CHECK_INT(run(&f, away), 0);
	CHECK_INT(mkdirat(f.root, "outside", 0700), 0);
	CHECK_INT(symlinkat("../../../../../outside", f.root,
			    "source/configs/devices/" TARGET "-softmmu"),
		  0);
	CHECK(fails(&f, -ELOOP, "write the devices of '" TARGET "'"));
	CHECK(faccessat(f.root, "outside/volt.mak", F_OK, 0) < 0);
}

static void a_signal_held_back_leaves_nothing_behind(void)
{
	const struct timespec none = { 0, 0 };
	_cleanup_fixture_ struct fixture f;
	sigset_t set, old;

	CHECK(open_fixture(&f));
	CHECK_INT(happens(&f, "kill -INT $PPID; sleep 600"), 0);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, &old);
	CHECK(fails(&f, -EINTR, "configure QEMU: interrupted"));
	CHECK_INT(sigtimedwait(&set, NULL, &none), SIGINT);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK_INT(count_works(&f), 0);
}

static void what_a_killed_build_has_left_is_swept_by_the_next(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_fixture_ struct fixture f;
	int status = 0;
	pid_t pid;

	CHECK(open_fixture(&f));
	CHECK_INT(happens(&f, "kill -KILL $PPID"), 0);
	pid = fork();
	if (pid == 0) {
		(void)build(&f, "source", NULL, &m);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_INT(count_works(&f), 1);
	CHECK_INT(happens(&f, ""), 0);
	CHECK_INT(build(&f, "source", NULL, &m), 0);
	CHECK_INT(count_works(&f), 0);
}

int main(void)
{
	RUN(what_is_compiled_becomes_a_profile);
	RUN(configure_is_told_what_the_recipe_says);
	RUN(the_same_sources_are_the_same_profile);
	RUN(a_recipe_of_several_targets_makes_a_program_of_each);
	RUN(a_directory_of_sources_stays_as_it_is);
	RUN(sources_may_be_an_archive);
	RUN(debian_s_sources_come_by_apt);
	RUN(no_sources_is_told_with_what_to_do);
	RUN(packages_that_are_missing_are_named_all_at_once);
	RUN(firmware_that_is_not_known_is_named_at_once);
	RUN(kvm_for_another_architecture_is_refused);
	RUN(the_line_that_says_why_is_told);
	RUN(a_full_disk_is_told_as_that);
	RUN(what_is_no_qemu_is_not_kept);
	RUN(sources_of_something_else_are_refused);
	RUN(sources_with_links_write_nothing_outside);
	RUN(a_signal_held_back_leaves_nothing_behind);
	RUN(what_a_killed_build_has_left_is_swept_by_the_next);
	return tap_done();
}
