/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config.h"

/* A tmpfs with the option "tmpcopyup" begins with what the image has at its place, as
 * podman's do. */

/* 1: @m wishes it, and *@ret is its options without that one. */
int copyup_wanted(const struct mount_wish *m, char **ret);

/* Copies what is below the directory @from into @target: directories, files, symbolic
 * links, with owners, modes and times; not what is special. */
int copyup(int from, const char *target);
