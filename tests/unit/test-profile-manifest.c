/* SPDX-License-Identifier: Apache-2.0 */
#include "profile-lib.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static int parse(const char *text, struct profile_manifest **ret, struct volt_error *e)
{
	json_t *j;
	int r = json_parse(text, strlen(text), "m", &j, e);

	return r < 0 ? r : profile_manifest_from_json(j, "m", ret, e);
}

/* With one entry. */
static int parse_entry(const char *path, const char *hash, struct volt_error *e)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	json_auto_t *j =
		json_pack("{s:s, s:s, s:{s:s}}", "name", "kvm-linux", "created_at",
			  "2026-01-02T03:04:05Z", "objects", path, hash);

	return profile_manifest_from_json(json_incref(j), "m", &m, e);
}

/* A6 */
static void a6_paths_stay_below_bin_lib_and_firmware(void)
{
	static const char *const bad[] = {
		"",
		"bin",
		"bin/",
		"/bin/sh",
		"etc/ld.so.preload",
		"bin/../../etc/shadow",
		"../bin/sh",
		"lib/..",
		"lib/./libc.so.6",
		"lib//libc.so.6",
		"lib/libc.so.6/",
		"library/x",
		"Bin/x",
		"bin/a\nb",
		"lib/a\x7f",
		"lib/\tx",
	};
	struct volt_error e = { 0 };

	CHECK_INT(parse_entry("bin/qemu-system-x86_64", HASH_A, &e), 0);
	CHECK_INT(parse_entry("lib/qemu/a b.so", HASH_A, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse_entry(bad[i], HASH_A, &e) != -EBADMSG)
			printf("# '%s'\n", bad[i]);
		CHECK_INT(parse_entry(bad[i], HASH_A, &e), -EBADMSG);
		CHECK(strstr(e.msg, "is not a path below bin/, lib/ or firmware/"));
	}
}

static void a6_a_name_with_a_nul_or_twice_is_refused(void)
{
	static const char head[] = "{\"name\":\"n\",\"created_at\":\"x\",\"objects\":{";
	struct profile_manifest *m = NULL;
	struct volt_error e = { 0 };
	char text[512];

	(void)snprintf(text, sizeof(text),
		       "%s\"lib/a\":\"" HASH_A "\",\"lib/a\":\"" HASH_B "\"}}", head);
	CHECK_INT(parse(text, &m, &e), -EBADMSG);
	(void)snprintf(text, sizeof(text), "%s\"lib/a\\u0000b\":\"" HASH_A "\"}}", head);
	CHECK_INT(parse(text, &m, &e), -EBADMSG);
	(void)snprintf(text, sizeof(text),
		       "%s\"lib/a\":\"" HASH_A "\",\"lib/a/b\":\"" HASH_B "\"}}", head);
	CHECK_INT(parse(text, &m, &e), -EBADMSG);
	CHECK_STR(e.msg, "manifest 'm': 'lib/a/b' is below another file");
	CHECK(!m);
}

/* A7 */
static void a7_digests_are_64_lower_case_digits(void)
{
	static const char *const bad[] = {
		"",
		"abc",
		"../../../etc/shadow",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		HASH_A "a",
		"gaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		" aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct volt_error e = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_INT(parse_entry("bin/x", bad[i], &e), -EBADMSG);
		CHECK(strstr(e.msg, "not a digest of 64 hexadecimal digits"));
	}
}

/* A2, A11: what is executable is decided by where it is, and is another file in the store. */
static void a11_programs_and_the_loader_are_executable(void)
{
	static const struct {
		const char *path;
		enum object_kind kind;
	} cases[] = {
		{ "bin/qemu-system-x86_64", OBJECT_EXEC },
		{ "bin/sub/helper", OBJECT_EXEC },
		{ "lib/ld-linux-x86-64.so.2", OBJECT_EXEC },
		{ "lib/ld64.so.2", OBJECT_EXEC },
		{ "lib/ld.so.1", OBJECT_EXEC },
		{ "lib/qemu/ld-linux.so.2", OBJECT_PLAIN },
		{ "lib/libld-1.so", OBJECT_PLAIN },
		{ "lib/libc.so.6", OBJECT_PLAIN },
		{ "firmware/ld-linux.so.2", OBJECT_PLAIN },
		{ "firmware/bin/x", OBJECT_PLAIN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_INT(profile_kind(cases[i].path), cases[i].kind);
}

/* A15 */
static void a15_a_versions_name_is_parsed_exactly(void)
{
	static const struct {
		const char *ref, *label;
	} cases[] = {
		{ "kvm-linux-0a1b2c3d", "kvm-linux" },
		{ "kvm-linux-0a1b2c3d4e5f", "kvm-linux" },
		{ "kvm-linux-debug-0a1b2c3d", "kvm-linux-debug" },
		{ "kvm-linux", NULL },
		{ "kvm-linux-", NULL },
		{ "kvm-linux-0a1b2c3", NULL },
		{ "kvm-linux-0a1b2c3d4", NULL },
		{ "kvm-linux-0A1B2C3D", NULL },
		{ "kvm-linux-0a1b2c3d-x", NULL },
		{ "-0a1b2c3d", NULL },
		{ "../kvm-linux-0a1b2c3d", NULL },
		{ "kvm-linux-11111111-0a1b2c3d", NULL }, /* the label is a version's */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *label = profile_ref_label(cases[i].ref);

		if (cases[i].label)
			CHECK_STR(label, cases[i].label);
		else
			CHECK(!label);
	}
}

static void the_digest_is_of_the_content_alone(void)
{
	static const char one[] = "{\"name\":\"a\",\"created_at\":\"2020\",\"objects\":{"
				  "\"lib/b\":\"" HASH_B "\",\"bin/a\":\"" HASH_A "\"}}";
	static const char two[] = "{\"name\":\"other\",\"created_at\":\"2021\","
				  "\"build_host\":\"h\",\"objects\":{\"bin/a\":\"" HASH_A
				  "\",\"lib/b\":\"" HASH_B "\"}}";
	static const char lines[] = "bin/a " HASH_A "\nlib/b " HASH_B "\n";
	_cleanup_manifest_ struct profile_manifest *a = NULL, *b = NULL;
	struct volt_error e = { 0 };
	struct digest want;

	CHECK_INT(parse(one, &a, &e), 0);
	CHECK_INT(parse(two, &b, &e), 0);
	CHECK_INT(sha256_bytes(lines, strlen(lines), &want), 0);
	CHECK(digest_equal(&a->digest, &want));
	CHECK(digest_equal(&b->digest, &want));
	CHECK_STR(a->v[0].path, "bin/a");
}

static void members_nobody_knows_are_kept(void)
{
	static const char text[] =
		"{\"name\":\"kvm-linux\",\"created_at\":\"x\",\"objects\":{\"bin/a\":"
		"\"" HASH_A "\"},\"signature\":{\"by\":\"somebody\"},"
		"\"capabilities\":[\"kvm\",\"teleport\"]}";
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	struct volt_error e = { 0 };

	CHECK_INT(parse(text, &m, &e), 0);
	CHECK_STR(json_string_value(
			  json_object_get(json_object_get(m->j, "signature"), "by")),
		  "somebody");
	CHECK_INT(m->capabilities, PROFILE_CAN_KVM);
}

static void wrong_types_and_missing_members_are_named(void)
{
#define OBJECTS "\"objects\":{\"bin/a\":\"" HASH_A "\"}"
	static const char *const cases[][2] = {
		{ "[]", "is not a JSON object" },
		{ "{\"created_at\":\"x\"," OBJECTS "}", "has no member 'name'" },
		{ "{\"name\":\"a\"," OBJECTS "}", "has no member 'created_at'" },
		{ "{\"name\":\"a\",\"created_at\":\"x\"}", "has 0 objects" },
		{ "{\"name\":\"a\",\"created_at\":\"x\",\"objects\":[]}", "'objects'" },
		{ "{\"name\":\"../a\",\"created_at\":\"x\"," OBJECTS "}", "valid name" },
		{ "{\"name\":7,\"created_at\":\"x\"," OBJECTS "}", "'name'" },
		{ "{\"name\":\"a\",\"created_at\":\"x\",\"loader\":\"lib/ld-x\"," OBJECTS
		  "}",
		  "'lib/ld-x' is not a loader that it has" },
		{ "{\"name\":\"a\",\"created_at\":\"x\",\"loader\":\"bin/a\"," OBJECTS
		  "}",
		  "'bin/a' is not a loader" },
		{ "{\"name\":\"a\",\"created_at\":\"x\",\"sources\":{\"bin/a\":\"x\"}," OBJECTS
		  "}",
		  "the source of 'bin/a' is not a path" },
		{ "{\"name\":\"a\",\"created_at\":\"x\",\"guests\":[1]," OBJECTS "}",
		  "'guests'" },
		{ "{\"name\":\"a\",\"created_at\":\"x\",\"capabilities\":[1]," OBJECTS
		  "}",
		  "'capabilities'" },
	};
	struct profile_manifest *m = NULL;
	struct volt_error e = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_INT(parse(cases[i][0], &m, &e), -EBADMSG);
		CHECK(strstr(e.msg, cases[i][1]));
	}
	CHECK(!m);
}

int main(void)
{
	RUN(a6_paths_stay_below_bin_lib_and_firmware);
	RUN(a6_a_name_with_a_nul_or_twice_is_refused);
	RUN(a7_digests_are_64_lower_case_digits);
	RUN(a11_programs_and_the_loader_are_executable);
	RUN(a15_a_versions_name_is_parsed_exactly);
	RUN(the_digest_is_of_the_content_alone);
	RUN(members_nobody_knows_are_kept);
	RUN(wrong_types_and_missing_members_are_named);
	return tap_done();
}
