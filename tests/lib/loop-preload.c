/* SPDX-License-Identifier: Apache-2.0 */
/* For LD_PRELOAD: once the file that VOLT_LOOP_BREAKS names is there, no event loop of the
 * program can wait any more.
 *
 * A sanitizer's runtime wants to be first: set ASAN_OPTIONS=verify_asan_link_order=0. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((visibility("default"))) int epoll_wait(int fd, struct epoll_event *events,
						      int max, int timeout)
{
	const char *path = getenv("VOLT_LOOP_BREAKS");

	if (path && access(path, F_OK) == 0) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_epoll_pwait, fd, events, max, timeout, NULL, 0);
}
