/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/strv.h"
#include "profile/profile.h"

/* How a profile's QEMU is compiled: profiles/NAME.recipe. It can name things and nothing
 * else, no command and no address; doc/formats.md has the format. */

struct recipe_target {
	const struct profile_arch *arch; /* of the guests */
	struct strv devices;             /* of QEMU's configuration, without "CONFIG_" */
};

struct recipe {
	char *source, *release; /* Debian's source package, and the release that has it */
	struct strv packages;   /* Debian's, that the compilation needs */
	struct strv features;   /* everything else QEMU could have is off */
	struct strv formats;    /* of disks: names of QEMU's block drivers */
	struct strv firmware;   /* below firmware/ */
	struct recipe_target *targets;
	size_t n_targets;
};

/* @what names it in messages. -EINVAL with the line's number. */
int recipe_parse(const char *text, size_t size, const char *what, struct recipe *ret,
		 struct volt_error *e);
int recipe_read(const char *path, struct recipe *ret, struct volt_error *e);
void recipe_done(struct recipe *r);
#define _cleanup_recipe_ _cleanup_(recipe_done)

bool recipe_has_feature(const struct recipe *r, const char *name);
bool recipe_has_firmware(const struct recipe *r, const char *name);

/* Of the targets' devices, any. */
bool recipe_has_device(const struct recipe *r, const char *name);

/* As QEMU's configuration wants the devices of @t: lines "CONFIG_X=y". The caller frees.
 * NULL: out of memory. */
char *recipe_devices(const struct recipe_target *t);
