/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guest-init/config.h"
#include "guest-init/init.h"
#include "guest-init/mount.h"
#include "guest-init/user.h"

/* What init takes apart: CONFIG, the image's passwd and group, mount options. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void users(const char *text, size_t size)
{
	char *passwd = strndup(text, size), *group = strndup(text, size);
	static struct user u;
	struct why w;

	if (passwd && group) {
		char spec[64];

		(void)snprintf(spec, sizeof(spec), "%.40s", passwd);
		spec[strcspn(spec, "\n")] = 0;
		(void)user_parse(spec, passwd, group, &u, &w);
	}
	free(passwd);
	free(group);
}

static void options(const char *text, size_t size)
{
	char *copy = strndup(text, size), data[64];
	unsigned long flags = 0;

	(void)mount_options(copy, &flags, data, sizeof(data));
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agent_cursor c = { (const char *)data, size };
	struct config config;

	if (config_parse(c, &config) == 0)
		config_done(&config);
	users(c.data, size);
	options(c.data, size);
	return 0;
}
