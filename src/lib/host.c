/* SPDX-License-Identifier: Apache-2.0 */

#include "lib/host.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"

const char *host_program(const char *name, char path[static HOST_PATH_SIZE])
{
	/* the same as spawn_start()'s */
	static const char *const directories[] = {
		"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
		"/usr/bin",        "/sbin",          "/bin",
	};

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		(void)snprintf(path, HOST_PATH_SIZE, "%s/%s", directories[i], name);
		if (access(path, X_OK) == 0)
			return path;
	}
	return NULL;
}

const char *host_line(const char *file, const char *key, char *text, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen(file, "re");
	char line[512];

	text[0] = '\0';
	while (f && fgets(line, sizeof(line), f)) {
		const char *value = line + strlen(key);

		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		value += strspn(value, " \t:=\"");
		(void)snprintf(text, size, "%.*s", (int)strcspn(value, "\"\n"), value);
		break;
	}
	return text;
}
