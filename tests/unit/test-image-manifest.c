/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "image/manifest.h"
#include "tap.h"

#define HEX        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define HEX2       "ca7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define DESC(type) "{\"mediaType\":\"" type "\",\"size\":7,\"digest\":\"sha256:" HEX "\"}"
#define CONFIG     DESC(MEDIA_OCI_CONFIG)
#define LAYER      DESC(MEDIA_OCI_LAYER "+gzip")

static int parse(const char *text, struct manifest **ret, struct volt_error *e)
{
	return manifest_parse(text, strlen(text), ret, e);
}

static void manifests_of_oci_and_docker_are_read(void)
{
	_cleanup_(manifest_freep) struct manifest *a = NULL, *b = NULL;
	struct volt_error e;

	CHECK_INT(parse("{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER
			"," LAYER "]}",
			&a, &e),
		  0);
	CHECK_INT(a->n_layers, 2);
	CHECK_INT(a->layers[1].size, 7);
	CHECK(!a->docker);
	CHECK_INT(
		parse("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_DOCKER_MANIFEST
		      "\",\"config\":" DESC("application/vnd.docker.container.image.v1+json") ",\"layers\":[" DESC(
			      "application/vnd.docker.image.rootfs.diff.tar.gzip") "]}",
		      &b, &e),
		0);
	CHECK(b->docker);
	CHECK_INT(b->n_layers, 1);
}

static void what_is_no_image_is_refused(void)
{
	static const struct {
		const char *text;
		int code;
		const char *says;
	} cases[] = {
		{ "", EBADMSG, "parse manifest" },
		{ "[]", EBADMSG, "not a JSON object" },
		{ "{}", EBADMSG, "no schema version" },
		{ "{\"schemaVersion\":1}", ENOTSUP, "schema 1" },
		{ "{\"schemaVersion\":2}", EBADMSG, "config" },
		{ "{\"schemaVersion\":2,\"config\":{}}", EBADMSG, "config" },
		{ "{\"schemaVersion\":2,\"config\":7}", EBADMSG, "config" },
		{ "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:../../etc\",\"size\":1}}",
		  EBADMSG, "no sha256 digest" },
		{ "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha512:aa\",\"size\":1}}",
		  ENOTSUP, "only sha256" },
		{ "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:" HEX
		  "\",\"size\":-1}}",
		  EINVAL, "size" },
		{ "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:" HEX "\"}}",
		  EBADMSG, "no size" },
		{ "{\"schemaVersion\":2,\"config\":" DESC(
			  "application/vnd.cncf.helm.config.v1+json") "}",
		  ENOTSUP, "artifact of type 'application/vnd.cncf" },
		{ "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":{}}", EINVAL,
		  "layers" },
		{ "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[7]}", EBADMSG,
		  "layer 1" },
		{ "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER
		  "," DESC("application/vnd.oci.image.layer.v1.tar+gzip+encrypted") "]}",
		  ENOTSUP, "layer 2 has the type" },
		{ "{\"schemaVersion\":2,\"schemaVersion\":2}", EBADMSG, "duplicate" },
		{ "{\"schemaVersion\":2,\"x\":\"\xff\"}", EBADMSG, "parse manifest" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(manifest_freep) struct manifest *m = NULL;
		struct volt_error e = { 0 };

		CHECK_INT(parse(cases[i].text, &m, &e), -cases[i].code);
		if (!strstr(e.msg, cases[i].says))
			printf("# %s\n", e.msg);
		CHECK(strstr(e.msg, cases[i].says));
	}
}

static void more_layers_or_bytes_than_allowed_are_refused(void)
{
	size_t room = 200 * (LAYERS_MAX + 2), n = 0;
	char *text = malloc(room), *large = calloc(1, MANIFEST_MAX + 1);
	struct manifest *m = NULL;
	struct volt_error e;

	CHECK(text && large);
	n += (size_t)sprintf(text,
			     "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[");
	for (unsigned i = 0; i <= LAYERS_MAX; i++)
		n += (size_t)sprintf(text + n, "%s" LAYER, i ? "," : "");
	(void)strcpy(text + n, "]}");
	CHECK_INT(parse(text, &m, &e), -E2BIG);
	free(text);
	CHECK_INT(manifest_parse(large, MANIFEST_MAX + 1, &m, &e), -EFBIG);
	free(large);
}

/* --- indexes --- */

#define ENTRY(os, arch, variant, hex)                                          \
	"{\"digest\":\"sha256:" hex "\",\"size\":9,\"platform\":{\"os\":\"" os \
	"\",\"architecture\":\"" arch "\"" variant "}}"
#define VARIANT(v)     ",\"variant\":\"" v "\""
#define INDEX(entries) "{\"schemaVersion\":2,\"manifests\":[" entries "]}"

static int choose(const char *text, const char *arch, char hex[static DIGEST_HEX_SIZE],
		  struct volt_error *e)
{
	struct descriptor d;
	int r = index_choose(text, strlen(text), platform_find(arch), &d, e);

	if (r == 0)
		(void)digest_hex(&d.digest, hex);
	return r;
}

static void an_index_is_told_from_a_manifest(void)
{
	const char *index = INDEX(""),
		   *manifest = "{\"schemaVersion\":2,\"config\":" CONFIG "}";
	const char *docker =
		"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.docker.distribution.manifest.list.v2+json\"}";

	CHECK_INT(manifest_is_index(index, strlen(index), NULL), 1);
	CHECK_INT(manifest_is_index(docker, strlen(docker), NULL), 1);
	CHECK_INT(manifest_is_index(manifest, strlen(manifest), NULL), 0);
	CHECK_INT(manifest_is_index("x", 1, NULL), -EBADMSG);
}

static void an_index_gives_the_platform_that_is_asked_for(void)
{
	const char *index = INDEX(ENTRY("unknown", "unknown", "", HEX) "," ENTRY(
		"windows", "amd64", "",
		HEX) "," ENTRY("linux", "amd64", VARIANT("v3"),
			       HEX) "," ENTRY("linux", "amd64", "",
					      HEX2) "," ENTRY("linux", "arm64",
							      VARIANT("v8"), HEX2));
	char hex[DIGEST_HEX_SIZE];
	struct volt_error e;

	CHECK_INT(choose(index, "x86_64", hex, &e), 0);
	CHECK_STR(hex, HEX2);
	CHECK_INT(choose(index, "aarch64", hex, &e), 0);
	CHECK_STR(hex, HEX2);
	CHECK_INT(choose(index, "riscv64", hex, &e), -ENOENT);
	CHECK(strstr(e.msg, "riscv64"));
	CHECK(strstr(e.msg, "linux/amd64"));
	CHECK(!strstr(e.msg, "unknown"));
}

static void an_arm_processor_takes_older_variants_only(void)
{
	const char *index = INDEX(ENTRY("linux", "arm", VARIANT("v5"), HEX) "," ENTRY(
		"linux", "arm", VARIANT("v6"), HEX2));
	const char *newer = INDEX(ENTRY("linux", "arm", VARIANT("v7"), HEX));
	char hex[DIGEST_HEX_SIZE];

	CHECK_INT(choose(index, "arm/v7", hex, NULL), 0);
	CHECK_STR(hex, HEX2);
	CHECK_INT(choose(index, "arm/v5", hex, NULL), 0);
	CHECK_STR(hex, HEX);
	CHECK_INT(choose(newer, "arm/v6", hex, NULL), -ENOENT);
}

static void a_single_image_needs_no_platform(void)
{
	const char *one = INDEX("{\"digest\":\"sha256:" HEX "\",\"size\":1}");
	const char *two =
		INDEX("{\"digest\":\"sha256:" HEX
		      "\",\"size\":1},{\"digest\":\"sha256:" HEX "\",\"size\":1}");
	char hex[DIGEST_HEX_SIZE];

	CHECK_INT(choose(one, "x86_64", hex, NULL), 0);
	CHECK_INT(choose(two, "x86_64", hex, NULL), -ENOENT);
}

/* --- configs --- */

static int config(const char *text, struct image_config **ret, struct volt_error *e)
{
	return image_config_parse(text, strlen(text), ret, e);
}

static void a_config_has_layers_platform_and_time(void)
{
	_cleanup_(image_config_freep) struct image_config *c = NULL, *plain = NULL;
	struct volt_error e;

	CHECK_INT(
		config("{\"architecture\":\"arm64\",\"os\":\"linux\",\"created\":\"1970-01-01T00:00:01Z\","
		       "\"config\":{\"Cmd\":[\"a\"],\"Env\":null},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:" HEX
		       "\"]}}",
		       &c, &e),
		0);
	CHECK_INT(c->n_diff_ids, 1);
	CHECK_STR(c->platform->arch, "arm64");
	CHECK_INT(c->created, 1000000000);
	CHECK_INT(config("{\"rootfs\":{\"diff_ids\":[]}}", &plain, &e), 0);
	CHECK(!plain->platform);
	CHECK_INT(plain->created, 0);
}

static void a_config_of_wrong_types_is_refused(void)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"rootfs\":7}",
		"{\"rootfs\":{\"diff_ids\":\"x\"}}",
		"{\"rootfs\":{\"diff_ids\":[7]}}",
		"{\"rootfs\":{\"diff_ids\":[\"sha256:x\"]}}",
		"{\"rootfs\":{\"diff_ids\":[]},\"config\":7}",
		"{\"rootfs\":{\"diff_ids\":[]},\"config\":{\"Cmd\":\"a\"}}",
		"{\"rootfs\":{\"diff_ids\":[]},\"config\":{\"Env\":[7]}}",
		"{\"rootfs\":{\"diff_ids\":[]},\"config\":{\"User\":[]}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct image_config *c = NULL;
		struct volt_error e = { 0 };
		int r = config(bad[i], &c, &e);

		CHECK(r == -EBADMSG || r == -EINVAL);
		CHECK(e.msg[0]);
	}
}

int main(void)
{
	RUN(manifests_of_oci_and_docker_are_read);
	RUN(what_is_no_image_is_refused);
	RUN(more_layers_or_bytes_than_allowed_are_refused);
	RUN(an_index_is_told_from_a_manifest);
	RUN(an_index_gives_the_platform_that_is_asked_for);
	RUN(an_arm_processor_takes_older_variants_only);
	RUN(a_single_image_needs_no_platform);
	RUN(a_config_has_layers_platform_and_time);
	RUN(a_config_of_wrong_types_is_refused);
	return tap_done();
}
