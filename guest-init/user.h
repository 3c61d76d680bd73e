/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Who a process is, as `podman run --user` says it: NAME, UID, either with :GROUP or
 * :GID. Names are those of the image; a number needs no entry there. */
#define USER_GROUPS_MAX 256

struct user {
	uid_t uid;
	gid_t gid;
	gid_t groups[USER_GROUPS_MAX]; /* supplementary; only of a user without :GROUP */
	size_t n_groups;
	char name[256], home[256]; /* name "": no entry; home then "/" (root: "/root") */
};

/* @passwd and @group are the texts of the two files, changed by the call; empty where the
 * image has none. @spec NULL or "": root. */
struct why;
int user_parse(const char *spec, char *passwd, char *group, struct user *ret,
	       struct why *w);

/* The same with the files of the root this process is in. */
int user_lookup(const char *spec, struct user *ret, struct why *w);
