/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>

#include "base/json.h"
#include "tap.h"
#include "vm/spec.h"
#include "vm/state.h"

static struct volt_error e;

/* {"guest":"disk","disk":{"path":"/d"}} with @members added. */
static int wish(const char *members, struct spec **ret)
{
	_cleanup_free_ char *text = NULL;
	json_auto_t *j = NULL;

	memset(&e, 0, sizeof(e));
	if (asprintf(&text, "{\"guest\":\"disk\",\"disk\":{\"path\":\"/d\"}%s%s}",
		     *members ? "," : "", members) < 0)
		return -ENOMEM;
	if (json_parse(text, strlen(text), "test", &j, &e) < 0)
		return -EBADMSG;
	return spec_parse(j, SPEC_WISH, ret, &e);
}

static int parse(const char *text, enum spec_form form)
{
	_cleanup_(spec_freep) struct spec *s = NULL;
	json_auto_t *j = json_loads(text, 0, NULL);

	memset(&e, 0, sizeof(e));
	return j ? spec_parse(j, form, &s, &e) : -EBADMSG;
}

static void defaults_are_a_system_s_not_a_program_s(void)
{
	_cleanup_(spec_freep) struct spec *s = NULL;

	CHECK_INT(wish("", &s), 0);
	CHECK_INT(s->guest, GUEST_DISK);
	CHECK_STR(s->disk.path, "/d");
	CHECK_INT(s->disk.format, DISK_UNKNOWN);
	CHECK(!s->disk.generic && !s->disk.no_tpm && !s->image.ref);
	CHECK_INT(s->memory, 1 << 30);
	CHECK_INT(s->stop_timeout, 60);
	CHECK_INT(s->cpus, 1);
}

static void what_is_asked_for_beats_the_defaults(void)
{
	_cleanup_(spec_freep) struct spec *s = NULL;

	CHECK_INT(wish("\"memory\":2147483648,\"stop_timeout\":5,\"read_only\":true,"
		       "\"rm\":true,\"ports\":[\"80\"],\"tty\":true,\"stdin\":true",
		       &s),
		  0);
	CHECK_INT(s->memory, 2147483648);
	CHECK_INT(s->stop_timeout, 5);
	CHECK(s->read_only && s->rm && s->ports.n == 1 && s->tty && s->open_stdin);
}

static void what_volt_cannot_do_inside_is_refused_by_name(void)
{
	static const struct {
		const char *member, *value;
	} inside[] = {
		{ "kernel", "\"k\"" },
		{ "entrypoint", "[\"x\"]" },
		{ "entrypoint", "[]" },
		{ "cmd", "[\"x\"]" },
		{ "env", "[\"A=b\"]" },
		{ "workdir", "\"/x\"" },
		{ "user", "\"x\"" },
		{ "hostname", "\"x\"" },
		{ "volumes", "[{\"source\":\"/s\",\"target\":\"/t\"}]" },
		{ "tmpfs", "[{\"target\":\"/t\"}]" },
		{ "stop_signal", "\"TERM\"" },
		{ "image", "{\"ref\":\"x\"}" },
		{ "process", "{}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(inside); i++) {
		struct spec *s = NULL;
		char text[128], quoted[32];

		(void)snprintf(text, sizeof(text), "\"%s\":%s", inside[i].member,
			       inside[i].value);
		(void)snprintf(quoted, sizeof(quoted), "'%s'", inside[i].member);
		CHECK_INT(wish(text, &s), -EINVAL);
		if (!strstr(e.msg, quoted))
			CHECK_STR(e.msg, quoted);
	}
}

static void empty_lists_ask_for_nothing(void)
{
	_cleanup_(spec_freep) struct spec *s = NULL;

	CHECK_INT(wish("\"env\":[],\"volumes\":[],\"tmpfs\":[],\"image\":null", &s), 0);
}

static void the_disk_s_members_are_checked(void)
{
	static const struct {
		const char *disk, *says;
	} bad[] = {
		{ "{}", "must be absolute" },
		{ "{\"path\":\"d\"}", "must be absolute" },
		{ "{\"path\":1}", "'path'" },
		{ "{\"path\":\"/d\",\"format\":\"vmdk\"}", "'vmdk'" },
		{ "{\"path\":\"/d\",\"format\":\"unknown\"}", "'unknown'" },
		{ "{\"path\":\"/d\",\"hardware\":\"isa\"}", "'isa'" },
		{ "{\"path\":\"/d\",\"tpm\":1}", "'tpm'" },
		{ "{\"path\":\"/d\",\"backing\":\"/etc/shadow\"}", "'backing'" },
		{ "[]", "'disk' must be an object" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[160];

		(void)snprintf(text, sizeof(text), "{\"guest\":\"disk\",\"disk\":%s}",
			       bad[i].disk);
		CHECK_INT(parse(text, SPEC_WISH), -EINVAL);
		if (!strstr(e.msg, bad[i].says))
			CHECK_STR(e.msg, bad[i].says);
	}
	CHECK_INT(parse("{\"guest\":\"disk\"}", SPEC_WISH), -EINVAL);
	CHECK(strstr(e.msg, "no disk"));
	CHECK_INT(parse("{\"image\":{\"ref\":\"x\"},\"disk\":{\"path\":\"/d\"}}",
			SPEC_WISH),
		  -EINVAL);
	CHECK(strstr(e.msg, "'disk' goes with"));
}

static void firmware_needs_its_memory(void)
{
	struct spec *s = NULL;

	CHECK_INT(wish("\"memory\":134217727", &s), -EINVAL);
	CHECK(strstr(e.msg, "128 MiB"));
}

/* A machine.json, complete. */
#define STORED(disk)                                                                    \
	"{\"id\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"," \
	"\"created_at\":\"2024-05-06T07:08:09Z\",\"name\":\"n\",\"guest\":\"disk\","    \
	"\"disk\":" disk "}"

static void what_is_stored_says_its_format(void)
{
	CHECK_INT(parse(STORED("{\"path\":\"/d\"}"), SPEC_STORED), -EINVAL);
	CHECK(strstr(e.msg, "no 'format'"));
	CHECK_INT(parse(STORED("{\"path\":\"/d\",\"format\":\"raw\"}"), SPEC_STORED), 0);
}

static void what_is_written_is_what_was_read(void)
{
	_cleanup_(spec_freep) struct spec *s = NULL, *again = NULL;
	json_auto_t *j = json_loads(STORED("{\"path\":\"/a b,c\",\"format\":\"qcow2\","
					   "\"hardware\":\"generic\",\"tpm\":false}"),
				    0, NULL);
	json_auto_t *out = NULL;

	CHECK_INT(spec_parse(j, SPEC_STORED, &s, &e), 0);
	out = spec_to_json(s);
	CHECK(out != NULL);
	CHECK_INT(spec_parse(out, SPEC_STORED, &again, &e), 0);
	CHECK_STR(again->disk.path, "/a b,c");
	CHECK_INT(again->disk.format, DISK_QCOW2);
	CHECK(again->disk.generic && again->disk.no_tpm);
	CHECK(json_object_get(out, "image") == NULL);
}

static void ps_shows_the_disk_as_the_image(void)
{
	_cleanup_(spec_freep) struct spec *s = NULL;
	struct state st = { 0 };
	json_auto_t *j =
		json_loads(STORED("{\"path\":\"/d\",\"format\":\"raw\"}"), 0, NULL);

	CHECK_INT(spec_parse(j, SPEC_STORED, &s, &e), 0);
	CHECK_INT(state_init(&st, s, &e), 0);
	CHECK_STR(st.image, "/d");
	CHECK_STR(st.command, "");
	state_done(&st);
}

int main(void)
{
	RUN(defaults_are_a_system_s_not_a_program_s);
	RUN(what_is_asked_for_beats_the_defaults);
	RUN(what_volt_cannot_do_inside_is_refused_by_name);
	RUN(empty_lists_ask_for_nothing);
	RUN(the_disk_s_members_are_checked);
	RUN(firmware_needs_its_memory);
	RUN(what_is_stored_says_its_format);
	RUN(what_is_written_is_what_was_read);
	RUN(ps_shows_the_disk_as_the_image);
	return tap_done();
}
