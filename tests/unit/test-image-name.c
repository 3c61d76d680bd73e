/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "image/name.h"
#include "image/platform.h"
#include "image/source.h"
#include "tap.h"

#define HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void names_become_full(void)
{
	static const struct {
		const char *text, *full, *local;
	} cases[] = {
		{ "alpine", "docker.io/library/alpine:latest",
		  "localhost/alpine:latest" },
		{ "alpine:3.19", "docker.io/library/alpine:3.19",
		  "localhost/alpine:3.19" },
		{ "user/app", "docker.io/user/app:latest", "localhost/user/app:latest" },
		{ "docker.io/alpine", "docker.io/library/alpine:latest", NULL },
		{ "index.docker.io/alpine", "docker.io/library/alpine:latest", NULL },
		{ "docker.io/user/app:v1", "docker.io/user/app:v1", NULL },
		{ "localhost/app", "localhost/app:latest", NULL },
		{ "localhost:5000/app", "localhost:5000/app:latest", NULL },
		{ "127.0.0.1:5000/a/b/c:t", "127.0.0.1:5000/a/b/c:t", NULL },
		{ "[::1]:5000/app", "[::1]:5000/app:latest", NULL },
		{ "quay.io/x/y-z_a__b.c:V1.0_x-", "quay.io/x/y-z_a__b.c:V1.0_x-", NULL },
		{ "Host/app", "Host/app:latest", NULL },
		{ "alpine@sha256:" HEX, "docker.io/library/alpine@sha256:" HEX, NULL },
		{ "q.io/a:t@sha256:" HEX, "q.io/a:t@sha256:" HEX, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(image_name_freep) struct image_name *n = NULL;
		_cleanup_free_ char *full = NULL, *local = NULL;
		struct volt_error e;

		CHECK_INT(image_name_parse(cases[i].text, &n, &e), 0);
		full = image_name_text(n);
		CHECK_STR(full, cases[i].full);
		CHECK_INT(n->short_name,
			  strchr(cases[i].full, '/') && cases[i].local != NULL
				  ? 1
				  : n->short_name);
		if (cases[i].local) {
			local = image_name_localhost(n);
			CHECK_STR(local, cases[i].local);
		}
	}
}

static void what_is_no_name_is_refused(void)
{
	static const char *const bad[] = {
		"",
		":tag",
		"a:",
		"a:-x",
		"a:.x",
		"a b",
		"A",
		"user/App",
		"/a",
		"a/",
		"a//b",
		"-a",
		"--help",
		"a-",
		"a___b",
		"a..b",
		"a@",
		"a@sha256:12",
		"a@sha256:" HEX "0",
		"a@md5:d41d8cd98f00b204e9800998ecf8427e",
		"host:99999/a",
		"host:0/a",
		"host:x/a",
		"-host.x/a",
		"ho st.x/a",
		"[::1/a",
		"[]:1/a",
		"..",
		"../a",
		"./a",
		"a/../b",
		"localhost",
		"docker.io/",
		"a:b:c",
		"a:t\n",
		"a%00",
		"host.x/a:tag/b",
	};
	char text[600];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(image_name_freep) struct image_name *n = NULL;
		struct volt_error e = { 0 };
		int r = image_name_parse(bad[i], &n, &e);

		if (strcmp(bad[i], "localhost") == 0) { /* a repository of that name */
			CHECK_INT(r, 0);
			continue;
		}
		if (r == 0)
			printf("# '%s' was taken\n", bad[i]);
		CHECK(r == -EINVAL || r == -ENOTSUP);
		CHECK(*bad[i] == 0 || strstr(e.msg, "image name '"));
	}
	memset(text, 'a', sizeof(text));
	text[599] = 0;
	CHECK_INT(image_name_parse(text, &(struct image_name *){ NULL }, NULL), -EINVAL);
	text[256] = 0;
	CHECK_INT(image_name_parse(text, &(struct image_name *){ NULL }, NULL), -EINVAL);
	memcpy(text, "a:", 2);
	text[131] = 0;
	CHECK_INT(image_name_parse(text, &(struct image_name *){ NULL }, NULL), -EINVAL);
}

static void a_name_to_give_is_local_and_has_no_digest(void)
{
	_cleanup_free_ char *a = NULL, *b = NULL;
	struct volt_error e;

	CHECK_INT(image_name_to_give("app", &a, &e), 0);
	CHECK_STR(a, "localhost/app:latest");
	CHECK_INT(image_name_to_give("docker.io/app:v1", &b, &e), 0);
	CHECK_STR(b, "docker.io/library/app:v1");
	CHECK_INT(image_name_to_give("app@sha256:" HEX, &b, &e), -EINVAL);
}

static void architectures_have_many_names(void)
{
	static const struct {
		const char *text, *arch, *oci, *variant;
	} cases[] = {
		{ "amd64", "x86_64", "amd64", NULL },
		{ "x86_64", "x86_64", "amd64", NULL },
		{ "X86-64", "x86_64", "amd64", NULL },
		{ "linux/amd64", "x86_64", "amd64", NULL },
		{ "arm64", "arm64", "arm64", "v8" },
		{ "aarch64", "arm64", "arm64", "v8" },
		{ "linux/arm64/v8", "arm64", "arm64", "v8" },
		{ "arm", "arm", "arm", "v7" },
		{ "armhf", "arm", "arm", "v7" },
		{ "linux/arm/v6", "armv6", "arm", "v6" },
		{ "386", "i386", "386", NULL },
		{ "i686", "i386", "386", NULL },
		{ "riscv64", "riscv64", "riscv64", NULL },
		{ "ppc64el", "ppc64le", "ppc64le", NULL },
		{ "s390x", "s390x", "s390x", NULL },
		{ "mips64le", "mips64el", "mips64le", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct platform *p = platform_find(cases[i].text);

		CHECK(p);
		CHECK_STR(p->arch, cases[i].arch);
		CHECK_STR(p->oci_arch, cases[i].oci);
		CHECK((p->oci_variant == NULL) == (cases[i].variant == NULL));
		CHECK(platform_from_oci(p->oci_arch, p->oci_variant) == p);
	}
	CHECK(platform_find(NULL));
	CHECK(!platform_find("z80"));
	CHECK(!platform_find(""));
	CHECK(!platform_find("../x"));
	CHECK_STR(platform_from_oci("arm64", NULL)->arch, "arm64");
	CHECK_STR(platform_from_oci("arm", "v6")->arch, "armv6");
	CHECK_STR(platform_from_oci("amd64", "v3")->arch, "x86_64");
}

static void sources_have_transports(void)
{
	static const struct {
		const char *text;
		enum source_kind kind;
		const char *transport, *place, *ref;
	} cases[] = {
		{ "alpine", SOURCE_REGISTRY, "docker://", NULL, NULL },
		{ "docker://q.io/a", SOURCE_REGISTRY, "docker://", NULL, NULL },
		{ "localhost:5000/a", SOURCE_REGISTRY, "docker://", NULL, NULL },
		{ "oci:/x/y", SOURCE_PATH, "oci:", "/x/y", NULL },
		{ "oci:/x/y:a:b", SOURCE_PATH, "oci:", "/x/y", "a:b" },
		{ "oci-archive:f.tar:r", SOURCE_PATH, "oci-archive:", "f.tar", "r" },
		{ "docker-archive:f.tar", SOURCE_PATH, "docker-archive:", "f.tar", NULL },
		{ "dir:a:b", SOURCE_PATH, "dir:", "a:b", NULL },
		{ "containers-storage:a", SOURCE_STORAGE, "containers-storage:", "a",
		  NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(source_freep) struct source *s = NULL;
		struct volt_error e;

		CHECK_INT(source_parse(cases[i].text, &s, &e), 0);
		CHECK_INT(s->kind, cases[i].kind);
		CHECK_STR(s->transport, cases[i].transport);
		if (cases[i].place)
			CHECK_STR(s->place, cases[i].place);
		CHECK((s->ref == NULL) == (cases[i].ref == NULL));
		if (cases[i].ref)
			CHECK_STR(s->ref, cases[i].ref);
	}
	CHECK_INT(source_parse("oci:", &(struct source *){ NULL }, NULL), -EINVAL);
}

/* B5: nothing a user types can become an option of skopeo. */
static void b5_a_name_cannot_be_an_option(void)
{
	static const char *const bad[] = { "--authfile=/x", "-h",
					   "docker://--tls-verify=false" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_INT(source_parse(bad[i], &(struct source *){ NULL }, NULL),
			  -EINVAL);
}

int main(void)
{
	RUN(names_become_full);
	RUN(what_is_no_name_is_refused);
	RUN(a_name_to_give_is_local_and_has_no_digest);
	RUN(architectures_have_many_names);
	RUN(sources_have_transports);
	RUN(b5_a_name_cannot_be_an_option);
	return tap_done();
}
