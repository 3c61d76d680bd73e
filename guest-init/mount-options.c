/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "init.h"
#include "mount.h"

static const struct option {
	const char *name;
	unsigned long set, clear;
} options_known[] = {
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "nosuid", MS_NOSUID, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "nodev", MS_NODEV, 0 },
	{ "dev", 0, MS_NODEV },
	{ "noexec", MS_NOEXEC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "sync", MS_SYNCHRONOUS, 0 },
	{ "noatime", MS_NOATIME, 0 },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "relatime", MS_RELATIME, 0 },
	{ "strictatime", MS_STRICTATIME, 0 },
};

static bool take_flag(const char *name, size_t n, unsigned long *flags)
{
	for (size_t k = 0; k < ARRAY_SIZE(options_known); k++) {
		const struct option *o = &options_known[k];

		if (strlen(o->name) != n || memcmp(o->name, name, n) != 0)
			continue;
		*flags = (*flags | o->set) & ~o->clear;
		return true;
	}
	return false;
}

int mount_options(const char *options, unsigned long *ret_flags, char *data, size_t size)
{
	size_t have = 0, n;

	data[0] = 0;
	for (; options && *options; options += n + (options[n] == ',')) {
		n = strcspn(options, ",");
		if (n == 0 || take_flag(options, n, ret_flags))
			continue;
		if (have + n + 2 > size)
			return -E2BIG;
		if (have > 0)
			data[have++] = ',';
		memcpy(data + have, options, n);
		have += n;
		data[have] = 0;
	}
	return 0;
}
