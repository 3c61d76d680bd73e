/* SPDX-License-Identifier: Apache-2.0 */
/* Init's readers of what comes from outside: CONFIG, the image's users, mount options. */
#include <errno.h>
#include <sys/mount.h>

#include "guest-init/config.h"
#include "guest-init/mount.h"
#include "guest-init/user.h"
#include "guest-init/why.h"
#include "guest/agent-wire.h"
#include "tap.h"

static struct wire_out out;

static struct agent_cursor built(void)
{
	struct agent_cursor c = { NULL, 0 };

	if (wire_end(&out) < 0)
		return c;
	c.data = out.data + sizeof(struct agent_frame);
	c.size = out.size - sizeof(struct agent_frame);
	return c;
}

static void begin(void)
{
	wire_out_done(&out);
	wire_begin(&out, AGENT_CONFIG, 0);
}

static void add_root(void)
{
	wire_group(&out, AGENT_TAG_ROOT);
	wire_text(&out, AGENT_TAG_TYPE, "erofs");
	wire_text(&out, AGENT_TAG_SOURCE, "root");
	wire_group_end(&out);
}

static void add_process(void)
{
	wire_group(&out, AGENT_TAG_PROCESS);
	wire_text(&out, AGENT_TAG_ARG, "sh");
	wire_text(&out, AGENT_TAG_ARG, "");
	wire_text(&out, AGENT_TAG_ENV, "A=1");
	wire_flag(&out, AGENT_TAG_TTY);
	wire_number(&out, AGENT_TAG_ROWS, 24);
	wire_group_end(&out);
}

static void a_whole_config_is_read(void)
{
	struct config c;

	begin();
	wire_text(&out, AGENT_TAG_HOSTNAME, "box");
	wire_text(&out, AGENT_TAG_DNS, "10.0.2.3");
	add_root();
	wire_group(&out, AGENT_TAG_MOUNT);
	wire_text(&out, AGENT_TAG_TYPE, "tmpfs");
	wire_text(&out, AGENT_TAG_TARGET, "/tmp");
	wire_flag(&out, AGENT_TAG_READ_ONLY);
	wire_group_end(&out);
	wire_group(&out, AGENT_TAG_LINK);
	wire_text(&out, AGENT_TAG_ADDRESS, "10.0.2.15/24");
	wire_text(&out, AGENT_TAG_ADDRESS, "fd00::2/64");
	wire_group_end(&out);
	add_process();
	CHECK_INT(config_parse(built(), &c), 0);
	CHECK_STR(c.hostname, "box");
	CHECK_STR(c.dns.v[0], "10.0.2.3");
	CHECK_STR(c.root.source, "root");
	CHECK_INT(c.n_mounts, 1);
	CHECK_STR(c.mounts[0].target, "/tmp");
	CHECK(c.mounts[0].read_only);
	CHECK_INT(c.n_links, 1);
	CHECK_STR(c.links[0].addresses.v[1], "fd00::2/64");
	CHECK_INT(c.process.args.n, 2);
	CHECK_STR(c.process.args.v[1], "");
	CHECK(c.process.args.v[2] == NULL);
	CHECK(c.process.tty);
	CHECK_INT(c.process.rows, 24);
	config_done(&c);
}

static void a_config_without_root_or_process_is_refused(void)
{
	struct config c;

	begin();
	add_root();
	CHECK_INT(config_parse(built(), &c), -EBADMSG);
	begin();
	add_process();
	CHECK_INT(config_parse(built(), &c), -EBADMSG);
}

static void what_is_unknown_or_given_twice_is_refused(void)
{
	struct config c;

	begin();
	add_root();
	add_process();
	wire_number(&out, 999, 1);
	CHECK_INT(config_parse(built(), &c), -EBADMSG);
	begin();
	add_root();
	add_root();
	add_process();
	CHECK_INT(config_parse(built(), &c), -EBADMSG);
	begin();
	add_root();
	add_process();
	add_process();
	CHECK_INT(config_parse(built(), &c), -EBADMSG);
}

static void a_mount_needs_an_absolute_target(void)
{
	struct config c;

	begin();
	add_root();
	add_process();
	wire_group(&out, AGENT_TAG_MOUNT);
	wire_text(&out, AGENT_TAG_TYPE, "tmpfs");
	wire_text(&out, AGENT_TAG_TARGET, "tmp");
	wire_group_end(&out);
	CHECK_INT(config_parse(built(), &c), -EBADMSG);
	begin();
	add_root();
	add_process();
	wire_group(&out, AGENT_TAG_MOUNT);
	wire_text(&out, AGENT_TAG_TYPE, "tmpfs");
	wire_group_end(&out);
	CHECK_INT(config_parse(built(), &c), -EBADMSG);
}

static void a_process_needs_a_program(void)
{
	struct process_wish p;

	begin();
	wire_text(&out, AGENT_TAG_ENV, "A=1");
	CHECK_INT(process_wish_parse(built(), &p), -EBADMSG);
	begin();
	wire_text(&out, AGENT_TAG_ARG, "");
	CHECK_INT(process_wish_parse(built(), &p), -EBADMSG);
}

static void many_texts_keep_their_order(void)
{
	struct process_wish p;
	char text[16];

	begin();
	for (int k = 0; k < 1000; k++) {
		(void)snprintf(text, sizeof(text), "a%d", k);
		wire_text(&out, AGENT_TAG_ARG, text);
	}
	CHECK_INT(process_wish_parse(built(), &p), 0);
	CHECK_INT(p.args.n, 1000);
	CHECK_STR(p.args.v[999], "a999");
	CHECK(p.args.v[1000] == NULL);
	process_wish_done(&p);
}

/* Users */

static struct user u;
static struct why why;

static int look_up(const char *spec)
{
	char passwd[] =
		"root:x:0:0:root:/root:/bin/sh\nbroken line\nhuge:x:4294967295:5::/:\n"
		"app:x:1000:1001::/home/app:/bin/sh\n7:x:8:9::/seven:\nlast:x:30:31::/l:";
	char group[] = "root:x:0:\nwheel:x:10:app,last\ndocker:x:11:other,app\n"
		       "audio:x:12:apple\n2000:x:77:\nnamed:x:50:\n";

	return user_parse(spec, passwd, group, &u, &why);
}

static void no_user_is_root(void)
{
	CHECK_INT(look_up(NULL), 0);
	CHECK_INT(u.uid, 0);
	CHECK_STR(u.home, "/root");
	CHECK_INT(look_up(""), 0);
	CHECK_INT(u.uid, 0);
}

static void a_name_gives_ids_home_and_groups(void)
{
	CHECK_INT(look_up("app"), 0);
	CHECK_INT(u.uid, 1000);
	CHECK_INT(u.gid, 1001);
	CHECK_STR(u.home, "/home/app");
	CHECK_INT(u.n_groups, 2);
	CHECK_INT(u.groups[0], 10);
	CHECK_INT(u.groups[1], 11);
}

static void a_number_is_looked_up_too(void)
{
	CHECK_INT(look_up("1000"), 0);
	CHECK_INT(u.gid, 1001);
	CHECK_INT(u.n_groups, 2);
	CHECK_INT(look_up("30"), 0);
	CHECK_STR(u.home, "/l");
}

static void an_unknown_number_is_taken_as_it_is(void)
{
	CHECK_INT(look_up("4000"), 0);
	CHECK_INT(u.uid, 4000);
	CHECK_INT(u.gid, 0);
	CHECK_STR(u.home, "/");
	CHECK_INT(u.n_groups, 0);
}

static void a_group_replaces_the_groups(void)
{
	CHECK_INT(look_up("app:docker"), 0);
	CHECK_INT(u.uid, 1000);
	CHECK_INT(u.gid, 11);
	CHECK_INT(u.n_groups, 0);
	CHECK_INT(look_up("app:4711"), 0);
	CHECK_INT(u.gid, 4711);
	CHECK_INT(look_up("0:50"), 0);
	CHECK_INT(u.gid, 50);
}

static void unknown_names_are_refused(void)
{
	CHECK_INT(look_up("nobody-here"), -EINVAL);
	CHECK_STR(
		why.text,
		"unable to find user 'nobody-here': no matching entries in passwd file");
	CHECK_INT(look_up("app:nope"), -EINVAL);
	CHECK_STR(why.text,
		  "unable to find group 'nope': no matching entries in group file");
	CHECK_INT(look_up("huge"), -EINVAL);
	CHECK_INT(look_up("4294967295"), -EINVAL);
	CHECK_INT(look_up("-1"), -EINVAL);
	CHECK_INT(look_up("broken line"), -EINVAL);
}

/* Mount options */

static void options_are_flags_or_data(void)
{
	unsigned long flags = MS_NODEV;
	char data[64];

	CHECK_INT(mount_options("ro,nosuid,size=64m,dev,mode=1777", &flags, data,
				sizeof(data)),
		  0);
	CHECK_INT(flags, MS_RDONLY | MS_NOSUID);
	CHECK_STR(data, "size=64m,mode=1777");
	flags = 0;
	CHECK_INT(mount_options(",,ro,rw,", &flags, data, sizeof(data)), 0);
	CHECK_INT(flags, 0);
	CHECK_STR(data, "");
	CHECK_INT(mount_options(NULL, &flags, data, sizeof(data)), 0);
}

static void options_that_do_not_fit_are_refused(void)
{
	unsigned long flags = 0;
	char data[8];

	CHECK_INT(mount_options("size=1g", &flags, data, sizeof(data)), -E2BIG);
	CHECK_INT(mount_options("size=1", &flags, data, sizeof(data)), 0);
	CHECK_STR(data, "size=1");
}

int main(void)
{
	RUN(a_whole_config_is_read);
	RUN(a_config_without_root_or_process_is_refused);
	RUN(what_is_unknown_or_given_twice_is_refused);
	RUN(a_mount_needs_an_absolute_target);
	RUN(a_process_needs_a_program);
	RUN(many_texts_keep_their_order);
	RUN(no_user_is_root);
	RUN(a_name_gives_ids_home_and_groups);
	RUN(a_number_is_looked_up_too);
	RUN(an_unknown_number_is_taken_as_it_is);
	RUN(a_group_replaces_the_groups);
	RUN(unknown_names_are_refused);
	RUN(options_are_flags_or_data);
	RUN(options_that_do_not_fit_are_refused);
	wire_out_done(&out);
	return tap_done();
}
