/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/json.h"
#include "tap.h"
#include "vm/pins.h"
#include "vm/spec.h"

static struct volt_error e;
static char name[] = "docker.io/library/x:latest", arch[] = "x86_64", kernel[] = "k",
	    profile[] = "kvm-linux", version[] = "7.2.22";

static struct digest digest(int byte)
{
	struct digest d;

	memset(&d, byte, sizeof(d));
	return d;
}

static struct spec spec(void)
{
	return (struct spec){
		.arch = arch,
		.image = { .name = name, .digest = digest(0x11), .tree = digest(0x22) }
	};
}

static struct pins pins(void)
{
	return (struct pins){ .kernel = kernel,
			      .kernel_image = digest(0x33),
			      .initramfs = digest(0x44),
			      .profile = profile,
			      .profile_digest = digest(0x55),
			      .qemu_version = version };
}

static void the_same_machine_is_what_its_lock_says(void)
{
	struct spec s = spec();
	struct pins p = pins();
	json_auto_t *lock = lock_make(&s, &p);

	CHECK_INT(lock_check(lock, &e), 0);
	CHECK_STR(lock_kernel(lock), "k");
	CHECK_INT(lock_compare(lock, &s, &p, &e), 0);
}

static void every_difference_is_named(void)
{
	struct spec s = spec();
	struct pins p = pins();
	json_auto_t *lock = lock_make(&s, &p);

	p.kernel_image = digest(0x66);
	CHECK_INT(lock_compare(lock, &s, &p, &e), -ESTALE);
	CHECK_STR(e.msg, "not what is locked: kernel: have 666666666666, want "
			 "333333333333");
	p = pins();
	s.image.digest = digest(0x77);
	s.image.tree = digest(0x88);
	p.initramfs = (struct digest){ { 0 } };
	p.profile = NULL;
	p.profile_digest = (struct digest){ { 0 } };
	CHECK_INT(lock_compare(lock, &s, &p, &e), -ESTALE);
	CHECK_STR(e.msg, "not what is locked: image: have 777777777777, want "
			 "111111111111; rootfs: have 888888888888, want 222222222222; "
			 "initramfs: have none, want 444444444444; profile: have QEMU "
			 "none, want kvm-linux 555555555555");
}

static void a_name_alone_is_no_difference(void)
{
	struct spec s = spec();
	struct pins p = pins();
	json_auto_t *lock = lock_make(&s, &p);
	char other[] = "other";

	p.kernel = p.profile = s.image.name = other;
	CHECK_INT(lock_compare(lock, &s, &p, &e), 0);
}

static void a_qemu_of_no_profile_is_locked_as_that(void)
{
	struct spec s = spec();
	struct pins p = pins(), none = pins();
	json_auto_t *lock = NULL;

	none.profile = none.qemu_version = NULL;
	none.profile_digest = (struct digest){ { 0 } };
	lock = lock_make(&s, &none);
	CHECK_INT(lock_check(lock, &e), 0);
	CHECK_INT(lock_compare(lock, &s, &none, &e), 0);
	CHECK_INT(lock_compare(lock, &s, &p, &e), -ESTALE);
}

static void what_is_no_lock_is_refused(void)
{
	static const struct {
		const char *key, *value, *message;
	} bad[] = {
		{ "version", "2", "the lock: version 2 is not supported" },
		{ "arch", "null", "the lock: it does not name an image" },
		{ "image", "{\"name\":\"x\"}", "the lock: it does not name an image" },
		{ "image", "{\"name\":\"x\",\"digest\":\"../../etc\"}",
		  "the lock: 'digest' is not a digest" },
		{ "kernel", "null", "the lock: it does not name a kernel" },
		{ "kernel", "{\"name\":\"../k\"}",
		  "the lock: it does not name a kernel" },
		{ "profile", "{\"name\":\"p\"}", "the lock: it does not name a profile" },
		{ "profile", "7", "the lock: member 'profile' must be an object" },
	};
	struct spec s = spec();
	struct pins p = pins();

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_auto_t *lock = lock_make(&s, &p);
		json_t *value = json_loads(bad[i].value, JSON_DECODE_ANY, NULL);

		CHECK_INT(json_object_set_new(lock, bad[i].key, value), 0);
		CHECK(lock_check(lock, &e) < 0);
		if (!strstr(e.msg, bad[i].message))
			printf("# %s\n", e.msg);
		CHECK(strstr(e.msg, bad[i].message));
	}
	CHECK_INT(lock_check(NULL, &e), -EBADMSG);
}

static void a_wish_with_a_lock_takes_its_kernel_by_name(void)
{
	_cleanup_(spec_freep) struct spec *read = NULL;
	struct spec s = spec();
	struct pins p = pins();
	json_auto_t *wish = json_pack("{s:{s:s}, s:o}", "image", "ref", "x", "lock",
				      lock_make(&s, &p));
	json_auto_t *again = NULL;

	CHECK_INT(spec_parse(wish, SPEC_WISH, &read, &e), 0);
	CHECK_STR(read->kernel, "k");
	again = spec_to_json(read);
	CHECK(json_equal(json_object_get(again, "lock"), json_object_get(wish, "lock")));
}

int main(void)
{
	RUN(the_same_machine_is_what_its_lock_says);
	RUN(every_difference_is_named);
	RUN(a_name_alone_is_no_difference);
	RUN(a_qemu_of_no_profile_is_locked_as_that);
	RUN(what_is_no_lock_is_refused);
	RUN(a_wish_with_a_lock_takes_its_kernel_by_name);
	return tap_done();
}
