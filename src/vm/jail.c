/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/jail.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"

/* Far from people (below 2^16), from subordinate ids as distributions hand them out (from
 * 100000 up, in steps of 65536) and from systemd's ranges (up to 0x7fffffff). 2^28 users. */
#define UID_FIRST 0x50000000u
#define ID_DIGITS 7

static bool is_mapped(uid_t uid)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/uid_map", "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		char *end;
		unsigned long long inside = strtoull(line, &end, 10), count;

		(void)strtoull(end, &end, 10);
		count = strtoull(end, NULL, 10);
		if (uid >= inside && uid - inside < count)
			return true;
	}
	return false;
}

/* Every directory on the way to @path can be passed by anybody. */
static bool is_passable(const char *path)
{
	char dir[PATH_MAX];
	struct stat st;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	for (char *slash = strrchr(dir, '/'); slash && slash != dir;
	     slash = strrchr(dir, '/')) {
		*slash = '\0';
		if (stat(dir, &st) < 0 || !(st.st_mode & 0001))
			return false;
	}
	return true;
}

/* May anybody start it? By its name and, where that is a link, by what it leads to. */
static bool is_reachable(const char *program)
{
	char path[PATH_MAX];
	struct stat st;

	return realpath(program, path) && stat(path, &st) == 0 &&
	       (st.st_mode & 0005) == 0005 && is_passable(path) && is_passable(program);
}

struct jail_user jail_user(const char *id, enum accel accel, const char *program)
{
	const struct jail_user root = { 0, 0 };
	char digits[ID_DIGITS + 1];
	struct jail_user u;
	struct stat st;

	if (geteuid() != 0)
		return root;
	(void)snprintf(digits, sizeof(digits), "%.*s", ID_DIGITS, id);
	u.uid = UID_FIRST + (uid_t)strtoul(digits, NULL, 16);
	u.gid = u.uid;
	if (!is_mapped(u.uid) || !is_reachable(program))
		return root;
	if (accel != ACCEL_KVM)
		return u;
	if (stat("/dev/kvm", &st) < 0)
		return root;
	if ((st.st_mode & 0006) == 0006)
		return u;
	u.gid = st.st_gid;
	return (st.st_mode & 0060) == 0060 && st.st_gid ? u : root;
}
