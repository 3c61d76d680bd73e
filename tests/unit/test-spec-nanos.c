/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>

#include "base/json.h"
#include "tap.h"
#include "vm/spec.h"

static struct volt_error e;

/* {"guest":"nanos","image":{"ref":"x"}} with @members added. */
static int wish(const char *members, struct spec **ret)
{
	_cleanup_free_ char *text = NULL;
	json_auto_t *j = NULL;

	memset(&e, 0, sizeof(e));
	if (asprintf(&text, "{\"guest\":\"nanos\",\"image\":{\"ref\":\"x\"}%s%s}",
		     *members ? "," : "", members) < 0)
		return -ENOMEM;
	if (json_parse(text, strlen(text), "test", &j, &e) < 0)
		return -EBADMSG;
	return spec_parse(j, SPEC_WISH, ret, &e);
}

/* It is refused with @code, and the message has @word. */
static bool refused(const char *members, int code, const char *word)
{
	_cleanup_(spec_freep) struct spec *s = NULL;
	int r = wish(members, &s);

	if (r == -code && strstr(e.msg, word) && !strchr(e.msg, '\n'))
		return true;
	printf("# %s: %d '%s'\n", members, r, r < 0 ? e.msg : "");
	return false;
}

static void defaults_are_those_of_nanos(void)
{
	_cleanup_(spec_freep) struct spec *s = NULL;

	CHECK_INT(wish("", &s), 0);
	CHECK_INT(s->guest, GUEST_NANOS);
	CHECK_INT(s->nanos.boot, BOOT_DIRECT);
	CHECK(!s->nanos.full && s->nanos.klibs.n == 0 && !s->nanos.attributes);
	CHECK_INT(s->stop_timeout, 35);
	CHECK_INT(s->memory, 256 << 20);
}

static void what_is_wished_survives(void)
{
	_cleanup_(spec_freep) struct spec *s = NULL, *copy = NULL;
	json_auto_t *j = NULL, *again = NULL;

	CHECK_INT(wish("\"nanos\":{\"boot\":\"uefi\",\"full\":true,\"klibs\":[\"tls\","
		       "\"cloud_init\"],\"attributes\":{\"trace\":true,\"n\":5,"
		       "\"firewall\":{\"rules\":[{\"a\":\"b\"}]}}},\"stop_timeout\":3,"
		       "\"user\":\"0:0\",\"arch\":\"amd64\",\"stop_signal\":\"TERM\","
		       "\"read_only\":true,\"hostname\":\"web\"",
		       &s),
		  0);
	CHECK_INT(s->nanos.boot, BOOT_UEFI);
	CHECK_STR(s->nanos.klibs.v[1], "cloud_init");
	CHECK(s->nanos.full && s->read_only);
	CHECK_INT(s->stop_timeout, 3);
	CHECK_INT(json_integer_value(json_object_get(s->nanos.attributes, "n")), 5);
	j = spec_to_json(s);
	CHECK_INT(spec_parse(j, SPEC_WISH, &copy, &e), 0);
	again = spec_to_json(copy);
	CHECK(json_equal(j, again));
}

static void what_one_program_cannot_have_is_refused_with_the_reason(void)
{
	CHECK(refused("\"tty\":true", ENOTSUP, "no terminal"));
	CHECK(refused("\"stdin\":true", ENOTSUP, "no standard input"));
	CHECK(refused("\"user\":\"1000\"", ENOTSUP, "one user, root"));
	CHECK(refused("\"user\":\"web\"", ENOTSUP, "'web'"));
	CHECK(refused("\"tmpfs\":[{\"target\":\"/run\"}]", ENOTSUP, "'/run'"));
	CHECK(refused("\"stop_signal\":\"QUIT\"", ENOTSUP, "SIGQUIT"));
	CHECK(refused("\"arch\":\"arm64\"", ENOTSUP, "x86_64 only, not 'arm64'"));
	CHECK(refused("\"disk\":{\"path\":\"/d\"}", EINVAL, "guest 'disk' only"));
}

#define V(source, target) "{\"source\":\"" source "\",\"target\":\"" target "\"}"

static void volumes_that_nanos_cannot_mount_are_refused(void)
{
	_cleanup_(spec_freep) struct spec *s = NULL;

	CHECK(wish("\"volumes\":[" V("data", "/d") "," V("/h", "/e") "]", &s) == 0);
	CHECK(volume_is_named(&s->volumes[0]) && !volume_is_named(&s->volumes[1]));
	CHECK(refused("\"volumes\":[" V("a", "/d") "," V("a", "/e") "]", EINVAL,
		      "volume 'a' is mounted twice"));
	CHECK(refused("\"volumes\":[" V("a", "/d") "," V("b", "/d/e") "]", EINVAL,
		      "'/d/e' is inside of '/d', which is a volume"));
	CHECK(refused("\"volumes\":[" V("a", "/.volt/0") "]", EINVAL,
		      "mount point '/.volt/0' is volt's"));
	CHECK(refused("\"volumes\":[" V("a", "/d:ro") "]", EINVAL, "has a ':'"));
	CHECK(refused("\"volumes\":[" V("a/b", "/d") "]", EINVAL, "must be absolute"));
	CHECK(refused("\"volumes\":[" V("..", "/d") "]", EINVAL, "volume name '..'"));
	CHECK(refused("\"volumes\":[" V("a23456789012345678901234567890xy", "/d") "]",
		      EINVAL, "has 32 bytes"));
}

static void other_guests_have_no_nanos(void)
{
	static const char text[] = "{\"image\":{\"ref\":\"x\"},\"nanos\":{}}";
	_cleanup_(spec_freep) struct spec *s = NULL;
	json_auto_t *j = json_loads(text, 0, NULL);

	CHECK_INT(spec_parse(j, SPEC_WISH, &s, &e), -EINVAL);
	CHECK(strstr(e.msg, "guest 'nanos'"));
}

static void members_of_nanos_are_checked(void)
{
	CHECK(refused("\"nanos\":[]", EINVAL, "nanos"));
	CHECK(refused("\"nanos\":{\"bot\":1}", EINVAL, "bot"));
	CHECK(refused("\"nanos\":{\"boot\":\"pxe\"}", EINVAL, "pxe"));
	CHECK(refused("\"nanos\":{\"full\":1}", EINVAL, "full"));
	CHECK(refused("\"nanos\":{\"klibs\":[1]}", EINVAL, "klibs"));
	CHECK(refused("\"nanos\":{\"klibs\":[\"../x\"]}", EINVAL, "../x"));
	CHECK(refused("\"nanos\":{\"klibs\":[\"\"]}", EINVAL, "klib ''"));
	CHECK(refused("\"nanos\":{\"klibs\":[\"a\",\"a\"]}", EINVAL, "twice"));
	CHECK(refused("\"nanos\":{\"attributes\":[]}", EINVAL, "attributes"));
}

static void attributes_that_are_volt_s_are_refused_with_what_to_use(void)
{
	static const char *const own[] = { "program",  "arguments",   "environment",
					   "cwd",      "klibs",       "mounts",
					   "boot",     "debug_exit",  "readonly_rootfs",
					   "children", "idle_on_exit" };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		char text[128], word[64];

		(void)snprintf(text, sizeof(text),
			       "\"nanos\":{\"attributes\":{\"%s\":\"x\"}}", own[i]);
		(void)snprintf(word, sizeof(word), "'%s' is volt's: ", own[i]);
		CHECK(refused(text, EINVAL, word));
	}
}

static void attributes_have_a_form_on_the_disk(void)
{
	CHECK(refused("\"nanos\":{\"attributes\":{\"a\":null}}", EINVAL, "'a'"));
	CHECK(refused("\"nanos\":{\"attributes\":{\"a\":1.5}}", EINVAL, "'a'"));
	CHECK(refused("\"nanos\":{\"attributes\":{\"a\":[{\"b\":null}]}}", EINVAL,
		      "'b'"));
	CHECK(refused("\"nanos\":{\"attributes\":{\"\":\"x\"}}", EINVAL, "1 to 255"));
	CHECK(refused("\"nanos\":{\"attributes\":{\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]"
		      "]]]]}}",
		      E2BIG, "deeper than 16"));
}

static void attributes_are_bounded(void)
{
	json_t *list = json_array();
	json_auto_t *j = json_pack("{s:s, s:{s:s}, s:{s:{s:o}}}", "guest", "nanos",
				   "image", "ref", "x", "nanos", "attributes", "a", list);
	_cleanup_(spec_freep) struct spec *s = NULL;

	for (int i = 0; i < 999; i++)
		CHECK_INT(json_array_append_new(list, json_integer(i)), 0);
	CHECK_INT(spec_parse(j, SPEC_WISH, &s, &e), 0);
	CHECK_INT(json_array_append_new(list, json_integer(0)), 0);
	spec_free(TAKE_PTR(s));
	CHECK_INT(spec_parse(j, SPEC_WISH, &s, &e), -E2BIG);
	CHECK(strstr(e.msg, "more than 1000"));
}

int main(void)
{
	RUN(defaults_are_those_of_nanos);
	RUN(what_is_wished_survives);
	RUN(what_one_program_cannot_have_is_refused_with_the_reason);
	RUN(volumes_that_nanos_cannot_mount_are_refused);
	RUN(other_guests_have_no_nanos);
	RUN(members_of_nanos_are_checked);
	RUN(attributes_that_are_volt_s_are_refused_with_what_to_use);
	RUN(attributes_have_a_form_on_the_disk);
	RUN(attributes_are_bounded);
	return tap_done();
}
