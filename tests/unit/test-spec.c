/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>

#include "base/json.h"
#include "tap.h"
#include "vm/signals.h"
#include "vm/spec.h"

static struct volt_error e;

/* {"image":{"ref":"x"}} with @members added. */
static int wish(const char *members, struct spec **ret)
{
	_cleanup_free_ char *text = NULL;
	json_auto_t *j = NULL;

	memset(&e, 0, sizeof(e));
	if (asprintf(&text, "{\"image\":{\"ref\":\"x\"}%s%s}", *members ? "," : "",
		     members) < 0)
		return -ENOMEM;
	if (json_parse(text, strlen(text), "test", &j, &e) < 0)
		return -EBADMSG;
	return spec_parse(j, SPEC_WISH, ret, &e);
}

static void defaults_are_podmans(void)
{
	_cleanup_(spec_freep) struct spec *s = NULL;

	CHECK_INT(wish("", &s), 0);
	CHECK_INT(s->memory, 256 << 20);
	CHECK_INT(s->cpus, 1);
	CHECK_INT(s->network, NET_USER);
	CHECK_INT(s->restart, RESTART_NO);
	CHECK_INT(s->stop_timeout, 10);
	CHECK_INT(s->accel, ACCEL_AUTO);
	CHECK_INT(s->log_max_size, 10 << 20);
	CHECK_INT(s->log_max_files, 3);
	CHECK(!s->has_cmd && !s->has_entrypoint && !s->rm && !s->tty);
	CHECK(!s->name && !s->id[0]);
}

struct bad {
	const char *members, *says;
};

static void each_member_is_checked(void)
{
	static const struct bad bad[] = {
		{ "\"colour\":1", "unknown member 'colour'" },
		{ "\"version\":2", "version 2" },
		{ "\"name\":\"../x\"", "name '../x'" },
		{ "\"name\":\"-x\"", "name '-x'" },
		{ "\"name\":\"0123456789abcdef0123456789abcdef0123456789abcdef"
		  "0123456789abcdef\"",
		  "looks like a machine's id" },
		{ "\"id\":\"00\"", "must not" },
		{ "\"process\":{}", "must not" },
		{ "\"guest\":\"windows\"", "'windows'" },
		{ "\"arch\":\"x86_64/../..\"", "'x86_64/../..' is not known" },
		{ "\"accel\":\"hvf\"", "'hvf'" },
		{ "\"kernel\":\"a/b\"", "kernel 'a/b'" },
		{ "\"cmd\":\"ls\"", "'cmd' must be an array" },
		{ "\"cmd\":[1]", "strings only" },
		{ "\"env\":[\"A\"]", "environment 'A'" },
		{ "\"env\":[\"=x\"]", "environment '=x'" },
		{ "\"workdir\":\"tmp\"", "working directory 'tmp'" },
		{ "\"user\":\"a\\nb\"", "user" },
		{ "\"hostname\":\"-a\"", "host name" },
		{ "\"hostname\":\"a b\"", "host name" },
		{ "\"tty\":1", "'tty' must be true or false" },
		{ "\"memory\":1048576", "too little" },
		{ "\"memory\":-1", "'memory'" },
		{ "\"memory\":1e3", "'memory' must be an integer" },
		{ "\"cpus\":0", "'cpus'" },
		{ "\"cpus\":257", "'cpus'" },
		{ "\"network\":{\"mode\":\"host\"}", "'host'" },
		{ "\"ports\":[{\"host_port\":1}]", "'guest_port'" },
		{ "\"ports\":[{\"guest_port\":65536}]", "'guest_port'" },
		{ "\"ports\":[{\"guest_port\":1,\"host_ip\":\"x\"}]", "not an IP" },
		{ "\"ports\":[{\"guest_port\":1,\"tftp\":1}]", "'tftp'" },
		{ "\"network\":{\"mode\":\"none\"},\"ports\":[{\"guest_port\":1}]",
		  "without a network" },
		{ "\"volumes\":[{\"source\":\"a\",\"target\":\"/b\"}]",
		  "volume 'a': volumes by name are for Nanos guests only" },
		{ "\"volumes\":[{\"source\":\"/a\"}]", "mount point ''" },
		{ "\"tmpfs\":[{\"target\":\"/t\",\"options\":\"a b\"}]",
		  "tmpfs options" },
		{ "\"restart\":{\"policy\":\"maybe\"}", "'maybe'" },
		{ "\"restart\":{\"policy\":\"always\",\"max_retries\":3}",
		  "on-failure only" },
		{ "\"restart\":{\"policy\":\"always\"},\"rm\":true",
		  "cannot be restarted" },
		{ "\"stop_signal\":\"SIGFOO\"", "'SIGFOO'" },
		{ "\"stop_signal\":\"32\"", "'32'" },
		{ "\"stop_timeout\":-1", "'stop_timeout'" },
		{ "\"labels\":{\"a=b\":\"c\"}", "label 'a=b'" },
		{ "\"labels\":{\"a\":1}", "label 'a'" },
		{ "\"log\":{\"max_size\":1}", "'max_size'" },
		{ "\"log\":{\"max_files\":0}", "'max_files'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct spec *s = NULL;
		int r = wish(bad[i].members, &s);

		if (r != -EINVAL || !strstr(e.msg, bad[i].says))
			printf("# %s: %d %s\n", bad[i].members, r, e.msg);
		CHECK_INT(r, -EINVAL);
		CHECK(strstr(e.msg, bad[i].says));
		CHECK(!s);
	}
}

static void b24_mount_points_cannot_leave_the_root(void)
{
	static const char *const bad[] = { "data",  "/",      "/a/../../etc", "/..",
					   "/a//b", "/a/./b", "/a/",          "" };
	char members[128];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct spec *s = NULL;

		(void)snprintf(members, sizeof(members),
			       "\"volumes\":[{\"source\":\"/a\",\"target\":\"%s\"}]",
			       bad[i]);
		CHECK_INT(wish(members, &s), -EINVAL);
		CHECK(strstr(e.msg, "mount point"));
	}
}

static void b23_a_mount_point_is_used_once(void)
{
	struct spec *s = NULL;

	CHECK_INT(wish("\"volumes\":[{\"source\":\"/a\",\"target\":\"/x\"}],"
		       "\"tmpfs\":[{\"target\":\"/x\"}]",
		       &s),
		  -EINVAL);
	CHECK(strstr(e.msg, "'/x' is mounted on twice"));
}

static void b26_environment_without_value_is_an_error_not_dropped(void)
{
	struct spec *s = NULL;

	CHECK_INT(wish("\"env\":[\"SECRET\"]", &s), -EINVAL);
	CHECK(strstr(e.msg, "NAME=VALUE"));
}

static void limits_hold(void)
{
	_cleanup_free_ char *text = malloc(200 << 10);
	struct spec *s = NULL;
	size_t n;

	n = (size_t)sprintf(text, "\"cmd\":[\"");
	memset(text + n, 'a', 150 << 10);
	(void)strcpy(text + n + (150 << 10), "\"]");
	CHECK_INT(wish(text, &s), -EINVAL);
	CHECK(strstr(e.msg, "'cmd' is too long"));
}

static const char full[] =
	"{\"version\":1,\"id\":\"00000000000000000000000000000000000000000000000000000000"
	"000000ff\",\"name\":\"web\",\"created_at\":\"2026-01-02T03:04:05.000000006Z\","
	"\"image\":{\"ref\":\"nginx\",\"name\":\"docker.io/library/nginx:latest\","
	"\"digest\":\"sha256:1111111111111111111111111111111111111111111111111111111111111111\","
	"\"config\":\"sha256:2222222222222222222222222222222222222222222222222222222222222222\","
	"\"tree\":\"sha256:3333333333333333333333333333333333333333333333333333333333333333\"},"
	"\"guest\":\"linux\",\"arch\":\"arm64\",\"accel\":\"tcg\",\"kernel\":\"small\","
	"\"entrypoint\":[],\"cmd\":[\"a\",\"b c\"],\"env\":[\"A=1\"],\"workdir\":\"/w\","
	"\"user\":\"1:2\",\"hostname\":\"h\",\"tty\":true,\"stdin\":true,"
	"\"memory\":536870912,\"cpus\":4,\"network\":{\"mode\":\"user\"},"
	"\"ports\":[{\"host_ip\":\"::1\",\"host_port\":1,\"guest_port\":2,\"protocol\":\"udp\"}],"
	"\"volumes\":[{\"source\":\"/a\",\"target\":\"/b\",\"read_only\":true}],"
	"\"tmpfs\":[{\"target\":\"/t\",\"options\":\"size=1m\"}],\"read_only\":true,"
	"\"rm\":false,\"restart\":{\"policy\":\"on-failure\",\"max_retries\":5},"
	"\"stop_signal\":\"SIGRTMIN+3\",\"stop_timeout\":3,\"labels\":{\"b\":\"=\",\"a\":\"\"},"
	"\"log\":{\"max_size\":4096,\"max_files\":1},"
	"\"process\":{\"args\":[\"a\",\"b c\"],\"env\":[\"A=1\"],\"cwd\":\"/w\","
	"\"user\":\"1:2\",\"stop_signal\":\"SIGRTMIN+3\"}}";

static void what_is_written_is_what_was_read(void)
{
	_cleanup_(spec_freep) struct spec *s = NULL;
	json_auto_t *in = NULL, *out = NULL;
	_cleanup_free_ char *text = NULL;

	CHECK_INT(json_parse(full, strlen(full), "full", &in, &e), 0);
	if (spec_parse(in, SPEC_STORED, &s, &e) < 0)
		printf("# %s\n", e.msg);
	CHECK(s);
	CHECK_INT(s->process.stop_signal, 37);
	CHECK_STR(s->labels.v[0], "a=");
	CHECK(s->has_entrypoint && s->entrypoint.n == 0);
	out = spec_to_json(s);
	text = json_text(out);
	if (!json_equal(in, out))
		printf("# %s\n", text);
	CHECK(json_equal(in, out));
}

/* Every member but these may be missing from a stored document. */
static void a_stored_document_needs_what_was_resolved(void)
{
	static const char *const needed[] = { "id", "name", "created_at", "image",
					      "process" };

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		json_auto_t *j = json_loads(full, 0, NULL);
		struct spec *s = NULL;

		(void)json_object_del(j, needed[i]);
		CHECK_INT(spec_parse(j, SPEC_STORED, &s, &e), -EINVAL);
	}
}

static void no_command_at_all_is_said_plainly(void)
{
	json_auto_t *j = json_loads(full, 0, NULL);
	struct spec *s = NULL;

	(void)json_object_set_new(json_object_get(j, "process"), "args", json_array());
	CHECK_INT(spec_parse(j, SPEC_STORED, &s, &e), -EINVAL);
	CHECK(strstr(e.msg, "no command to run"));
}

static void signals_have_names_and_numbers(void)
{
	static const struct {
		const char *text;
		int number;
	} good[] = {
		{ "SIGTERM", SIGTERM }, { "term", SIGTERM }, { "15", 15 },
		{ "SIGKILL", 9 },       { "RTMIN", 34 },     { "SIGRTMIN+3", 37 },
		{ "rtmax-1", 63 },      { "64", 64 },
	};
	static const char *const bad[] = { "",         "0",     "65",      "-1",
					   "SIG",      "TERMS", "RTMIN-1", "RTMAX+1",
					   "RTMIN+31", "1x",    "32",      "33" };
	int n;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		CHECK_INT(signal_parse(good[i].text, &n), 0);
		CHECK_INT(n, good[i].number);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_INT(signal_parse(bad[i], &n), -EINVAL);
	for (int i = 1; i <= 64; i++) {
		const char *name = signal_name(i);

		if (!name)
			CHECK(i == 32 || i == 33);
		else
			CHECK(signal_parse(name, &n) == 0 && n == i);
	}
}

int main(void)
{
	RUN(defaults_are_podmans);
	RUN(each_member_is_checked);
	RUN(b23_a_mount_point_is_used_once);
	RUN(b24_mount_points_cannot_leave_the_root);
	RUN(b26_environment_without_value_is_an_error_not_dropped);
	RUN(limits_hold);
	RUN(what_is_written_is_what_was_read);
	RUN(a_stored_document_needs_what_was_resolved);
	RUN(no_command_at_all_is_said_plainly);
	RUN(signals_have_names_and_numbers);
	return tap_done();
}
