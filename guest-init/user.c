/* SPDX-License-Identifier: Apache-2.0 */
#include "user.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "init.h"

#define FILE_MAX (1u << 20)
#define FIELDS   7

/* Takes the next line of *@text apart at its colons; false at the end. */
static bool next_line(char **text, char *field[FIELDS])
{
	static char nothing[1];
	char *line = strsep(text, "\n");

	if (!line)
		return false;
	for (size_t k = 0; k < FIELDS; k++) {
		field[k] = line ? strsep(&line, ":") : NULL;
		if (!field[k])
			field[k] = nothing;
	}
	return true;
}

/* A number of an id, or -1. 2^32 - 1 is no id: the kernel takes it as "unchanged". */
static int64_t number(const char *text)
{
	unsigned long long v;
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	v = strtoull(text, &end, 10);
	return errno || *end || v >= UINT32_MAX ? -1 : (int64_t)v;
}

/* An entry counts if its numbers are good and it has the name, or else the number. */
static bool find_user(char *passwd, const char *name, struct user *ret)
{
	int64_t wanted = number(name), uid, gid;
	char *f[FIELDS];

	while (next_line(&passwd, f)) {
		uid = number(f[2]);
		gid = number(f[3]);
		if (uid < 0 || gid < 0 || (strcmp(f[0], name) != 0 && uid != wanted))
			continue;
		ret->uid = (uid_t)uid;
		ret->gid = (gid_t)gid;
		(void)snprintf(ret->home, sizeof(ret->home), "%s", f[5]);
		(void)snprintf(ret->name, sizeof(ret->name), "%s", f[0]);
		return true;
	}
	return false;
}

static int find_group(char *group, const char *name, struct user *ret, struct why *w)
{
	int64_t wanted = number(name), gid;
	char *f[FIELDS];

	while (next_line(&group, f)) {
		gid = number(f[2]);
		if (gid < 0 || (strcmp(f[0], name) != 0 && gid != wanted))
			continue;
		ret->gid = (gid_t)gid;
		return 0;
	}
	if (wanted < 0)
		return because(
			w, 0,
			"unable to find group '%.100s': no matching entries in group file",
			name);
	ret->gid = (gid_t)wanted;
	return 0;
}

static bool is_member(char *members, const char *name)
{
	const char *m;

	while ((m = strsep(&members, ",")))
		if (strcmp(m, name) == 0)
			return true;
	return false;
}

static void find_groups(char *group, struct user *ret)
{
	char *f[FIELDS];

	while (ret->n_groups < USER_GROUPS_MAX && next_line(&group, f))
		if (number(f[2]) >= 0 && is_member(f[3], ret->name))
			ret->groups[ret->n_groups++] = (gid_t)number(f[2]);
}

int user_parse(const char *spec, char *passwd, char *group, struct user *ret,
	       struct why *w)
{
	char copy[512], *colon;

	*ret = (struct user){ .home = "/" };
	if (snprintf(copy, sizeof(copy), "%s", spec ? spec : "") >= (int)sizeof(copy))
		return because(w, 0, "user '%.100s…' is too long", spec);
	colon = strchr(copy, ':');
	if (colon)
		*colon++ = 0;
	if (!find_user(passwd, *copy ? copy : "0", ret)) {
		if (*copy && number(copy) < 0)
			return because(
				w, 0,
				"unable to find user '%.100s': no matching entries in passwd file",
				copy);
		ret->uid = *copy ? (uid_t)number(copy) : 0;
		if (ret->uid == 0)
			(void)snprintf(ret->home, sizeof(ret->home), "/root");
	}
	if (colon && *colon)
		return find_group(group, colon, ret, w);
	if (ret->name[0])
		find_groups(group, ret);
	return 0;
}

static char *read_file(const char *path)
{
	char *text = malloc(FILE_MAX);

	if (text && read_text(AT_FDCWD, path, text, FILE_MAX) < 0)
		text[0] = 0;
	return text;
}

int user_lookup(const char *spec, struct user *ret, struct why *w)
{
	_cleanup_free_ char *passwd = read_file("/etc/passwd");
	_cleanup_free_ char *group = read_file("/etc/group");

	if (!passwd || !group)
		return because(w, -ENOMEM, "look up the user");
	return user_parse(spec, passwd, group, ret, w);
}
