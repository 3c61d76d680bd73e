/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/macro.h"

/* Paths below a directory descriptor. Text from users, images and manifests is never
 * joined into a path: it is opened below a descriptor by these. -errno on failure. */

/* openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS). */
int open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/* The same through symbolic links that do not leave @dirfd either; one that does, or that
 * is absolute, is -EXDEV. */
int open_within(int dirfd, const char *path, int flags);

/* Opens the directory @path below @dirfd, making what is missing (mode @mode). */
int mkdir_beneath(int dirfd, const char *path, mode_t mode);

/* Opens an absolute or cwd-relative directory, making what is missing. For the root that
 * the user named, nothing else: it follows symbolic links. */
int mkdir_open(const char *path, mode_t mode);

/* A stream over the directory @dirfd from its beginning, with a position of its own, for
 * closedirp(). dir_next() leaves "." and ".." out, and sets errno to 0 at the end. */
int dir_stream(int dirfd, DIR **ret);
struct dirent *dir_next(DIR *d);

/* Removes @name (no slash) and all below it; never follows links or leaves the file
 * system of @name. Directories without permission bits are made removable. ENOENT is
 * success. */
int remove_tree_at(int dirfd, const char *name);

/* Opens for reading what @fd, of O_PATH, is, if it is a regular file; else -ENOTSUP. So nothing
 * else is ever opened: a pipe may wait, and to open a device may do something. */
int reopen_regular(int fd);

/* What stands behind the last slash. */
const char *path_base(const char *path);

/* One path component: not empty, not "." or "..", no slash, at most 255 bytes. */
bool path_is_name(const char *s);

/* Relative, not empty, every component a path_is_name(), at most PATH_MAX - 1 bytes. */
bool path_is_clean(const char *s);

/* [a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}: names of machines, kernels, profiles, networks. */
bool name_is_valid(const char *s);
