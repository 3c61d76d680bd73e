/* SPDX-License-Identifier: Apache-2.0 */
/* Sources and packages that the host's lists do not have, from an archive made for it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/apt-release.h"
#include "base/io.h"
#include "base/path.h"
#include "base/spawn.h"
#include "put-file.h"
#include "tap.h"

static char root[] = "/tmp/volt-test-apt-XXXXXX";
static char key[300];
static struct apt_archive archive = { .keyring = key };
static struct workdir w = WORKDIR_INIT;
static struct volt_error e;

static int make_archive(void)
{
	char dir[300], tree[300];
	const char *const argv[] = { MAKE_APT_ARCHIVE, dir, tree, NULL };
	struct spawn s = SPAWN_INIT;

	(void)snprintf(dir, sizeof(dir), "%s/archive", root);
	(void)snprintf(tree, sizeof(tree), "%s/tree", root);
	(void)snprintf(key, sizeof(key), "%s/archive/key.gpg", root);
	s.argv = argv;
	return spawn_run(&s, 0, NULL, &e)
		       ?: strv_addf(&archive.suites, "file:%s/archive trixie", root);
}

static const struct apt_wish trixie = { .release = "trixie", .sources = true };

static int open_release(struct apt_release *ret)
{
	return apt_release_open(&w, &archive, &trixie, ret, &e);
}

static void fresh(void)
{
	int parent = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	workdir_done(&w);
	CHECK_INT(workdir_open(parent, "lock", &w, &e), 0);
}

static void sources_come_unpacked(void)
{
	_cleanup_(apt_release_done) struct apt_release a = APT_RELEASE_INIT;
	_cleanup_free_ char *text = NULL;

	fresh();
	CHECK_INT(open_release(&a), 0);
	CHECK_INT(apt_release_source(&a, "qemu", "source", &e), 0);
	CHECK_INT(read_file_at(w.fd, "source/VERSION", 100, &text, NULL), 0);
	CHECK_STR(text, "10.0\n");
}

static void a_package_comes_as_a_file(void)
{
	_cleanup_(apt_release_done) struct apt_release a = APT_RELEASE_INIT;
	_cleanup_free_ char *deb = NULL;

	fresh();
	CHECK_INT(open_release(&a), 0);
	CHECK_INT(apt_release_download(&a, "meson", &deb, &e), 0);
	CHECK(deb && strstr(deb, "/meson_99.7.0-1_all.deb"));
	CHECK_INT(access(deb ?: "", R_OK), 0);
}

static void of_another_architecture_there_are_metapackages_and_packages(void)
{
	const struct apt_wish wish = { .release = "trixie", .arch = "ppc64el" };
	_cleanup_(apt_release_done) struct apt_release a = APT_RELEASE_INIT;
	_cleanup_free_ char *name = NULL, *deb = NULL;
	char *none = NULL;

	fresh();
	CHECK_INT(apt_release_open(&w, &archive, &wish, &a, &e), 0);
	CHECK_INT(apt_release_depends(&a, "linux-image-powerpc64le", "linux-image-",
				      &name, &e),
		  0);
	CHECK_STR(name, "linux-image-9.9-powerpc64le");
	CHECK_INT(apt_release_download(&a, name ?: "", &deb, &e), 0);
	CHECK(deb && strstr(deb, "/linux-image-9.9-powerpc64le_9.9-1_ppc64el.deb"));
	CHECK_INT(apt_release_depends(&a, "linux-image-vax", "linux-image-", &none, &e),
		  -ENOENT);
	CHECK_STR(e.msg, "apt knows no package behind 'linux-image-vax'");
	CHECK_INT(apt_release_source(&a, "qemu", "source", &e), -EIO);
}

static char reported[512];

static void report(void *data, int level, const char *line)
{
	(void)data;
	(void)level;
	(void)snprintf(reported, sizeof(reported), "%s", line);
}

/* A mirror is out of step with its archive for a while: what the others have may do. */
static void who_is_lenient_is_told_of_lists_that_cannot_be_had(void)
{
	const struct log log = { .fn = report };
	const struct apt_wish wish = { .release = "trixie",
				       .lenient = true,
				       .log = &log };
	_cleanup_(apt_release_done) struct apt_release a = APT_RELEASE_INIT;
	_cleanup_free_ char *deb = NULL;
	struct apt_archive two = { .keyring = key };

	fresh();
	CHECK_INT(strv_add(&two.suites, "file:/no/such/archive trixie"), 0);
	CHECK_INT(strv_add(&two.suites, archive.suites.v[0]), 0);
	CHECK_INT(apt_release_open(&w, &two, &trixie, &a, &e), -EIO);
	apt_release_done(&a);
	CHECK_INT(apt_release_open(&w, &two, &wish, &a, &e), 0);
	CHECK(strstr(reported, "some lists of packages cannot be had: "));
	CHECK(strstr(reported, "/no/such/archive"));
	CHECK_INT(apt_release_download(&a, "meson", &deb, &e), 0);
	strv_done(&two.suites);
}

static void what_the_release_lacks_is_named(void)
{
	_cleanup_(apt_release_done) struct apt_release a = APT_RELEASE_INIT;

	fresh();
	CHECK_INT(open_release(&a), 0);
	CHECK_INT(apt_release_source(&a, "nothing", "source", &e), -EIO);
	CHECK(strstr(e.msg, "download the sources 'nothing' of 'trixie': "
			    "E: Unable to find a source package for nothing"));
}

static void names_are_no_options(void)
{
	_cleanup_(apt_release_done) struct apt_release a = APT_RELEASE_INIT;
	char *deb = NULL;

	fresh();
	CHECK_INT(open_release(&a), 0);
	CHECK_INT(apt_release_source(&a, "-oX=y", "source", &e), -EINVAL);
	CHECK_INT(apt_release_download(&a, "--config-file=x", &deb, &e), -EINVAL);
	CHECK_STR(e.msg, "'--config-file=x' is not the name of a Debian package");
}

/* Only Debian's keys count, or those that were given. */
static void lists_by_another_key_are_refused(void)
{
	struct apt_archive other = { .suites = archive.suites };
	_cleanup_(apt_release_done) struct apt_release a = APT_RELEASE_INIT;

	fresh();
	CHECK_INT(apt_release_open(&w, &other, &trixie, &a, &e), -EIO);
	CHECK(strstr(e.msg, "get Debian's lists of 'trixie': "));
	CHECK(strstr(e.msg, "public key") || strstr(e.msg, "not signed") ||
	      strstr(e.msg, "NO_PUBKEY"));
}

static void changed_sources_are_refused(void)
{
	_cleanup_(apt_release_done) struct apt_release a = APT_RELEASE_INIT;
	char path[400];
	int fd;

	fresh();
	CHECK_INT(open_release(&a), 0);
	(void)snprintf(path, sizeof(path), "%s/archive/pool/qemu_10.0.tar.xz", root);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK_INT(pwrite_all(fd, "x", 1, 100), 0);
	(void)close(fd);
	CHECK_INT(apt_release_source(&a, "qemu", "source", &e), -EIO);
	CHECK(strstr(e.msg, "download the sources 'qemu' of 'trixie': E: "));
}

static void an_archive_that_is_not_there_is_an_error(void)
{
	struct apt_archive none = { .keyring = key };
	_cleanup_(apt_release_done) struct apt_release a = APT_RELEASE_INIT;

	fresh();
	CHECK_INT(strv_add(&none.suites, "file:/no/such/archive trixie"), 0);
	CHECK_INT(apt_release_open(&w, &none, &trixie, &a, &e), -EIO);
	CHECK(strstr(e.msg, "get Debian's lists of 'trixie': "));
	CHECK(strstr(e.msg, "/no/such/archive"));
	strv_done(&none.suites);
}

static void what_would_end_a_line_of_the_list_is_refused(void)
{
	static const char *const bad[] = { "nothing", "http://x trixie\nTrusted: yes",
					   "http://x a b" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(apt_release_done) struct apt_release a = APT_RELEASE_INIT;
		struct apt_archive hostile = { .keyring = key };

		fresh();
		CHECK_INT(strv_add(&hostile.suites, bad[i]), 0);
		CHECK_INT(apt_release_open(&w, &hostile, &trixie, &a, &e), -EINVAL);
		CHECK(strstr(e.msg, "is no address and suite"));
		strv_done(&hostile.suites);
	}
}

/* By this host's own sources, whatever they are. */
static void the_host_s_archive_is_that_of_its_own_sources(void)
{
	struct apt_archive found = { 0 };
	int r = apt_archive_find("nosuchrelease", &found, &e);

	if (r == 0) {
		CHECK(found.suites.n > 0);
		strv_foreach(i, found.suites.v)
			CHECK(strstr(*i, " nosuchrelease"));
	} else {
		CHECK_INT(r, -ENOTSUP);
		CHECK(strstr(e.msg, "'nosuchrelease'"));
	}
	strv_done(&found.suites);
}

int main(void)
{
	int tmp;

	if (!mkdtemp(root))
		return 1;
	tmp = open(root, O_RDONLY | O_DIRECTORY);
	if (tmp < 0 || mkdirat(tmp, "tree", 0700) < 0)
		return 1;
	put_file(root, "tree/VERSION", "10.0\n", 5);
	if (make_archive() < 0) {
		printf("Bail out! %s\n", e.msg);
		return 1;
	}
	RUN(sources_come_unpacked);
	RUN(a_package_comes_as_a_file);
	RUN(of_another_architecture_there_are_metapackages_and_packages);
	RUN(who_is_lenient_is_told_of_lists_that_cannot_be_had);
	RUN(what_the_release_lacks_is_named);
	RUN(names_are_no_options);
	RUN(lists_by_another_key_are_refused);
	RUN(an_archive_that_is_not_there_is_an_error);
	RUN(what_would_end_a_line_of_the_list_is_refused);
	RUN(the_host_s_archive_is_that_of_its_own_sources);
	RUN(changed_sources_are_refused);
	workdir_done(&w);
	strv_done(&archive.suites);
	tmp = open("/tmp", O_PATH | O_DIRECTORY);
	if (remove_tree_at(tmp, root + strlen("/tmp/")) < 0)
		return 1;
	return tap_done();
}
