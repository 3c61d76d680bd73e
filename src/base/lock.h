/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* Open-file-description locks (F_OFD_SETLK): held by the descriptor, gone with the last
 * process that has it, so a lock never outlives a crash. The file itself stays. */
enum lock_mode {
	LOCK_SHARED,
	LOCK_EXCLUSIVE
};

/* Opens (making it, 0600) and locks; returns the descriptor to close. Waits for it, or,
 * with @wait false, -EAGAIN when another holds it. */
int lock_open(int dirfd, const char *name, enum lock_mode mode, bool wait);

/* 1: somebody holds an exclusive lock, 0: nobody (or no such file), -errno. */
int lock_test(int dirfd, const char *name);
