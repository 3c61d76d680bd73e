/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * From anywhere but a registry (fetch-layers.c) skopeo copies into a directory. It writes
 * each blob under a temporary name and renames it to its digest when it is whole and has
 * that digest. inotify tells of the rename, and the layer is handed to the threads while
 * others still arrive. A missed event costs nothing but time: the caller adds all layers
 * once more at the end. What is waited for, in one poll(): skopeo's end, an arrival, a
 * thread's end, the next progress report.
 */
#include "image/fetch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/path.h"
#include "base/spawn.h"

#define REPORT_EACH_MS 100

/* --- progress --- */

/* Bytes of the files in a directory, with those that are still being written. */
static uint64_t count_bytes(int dir)
{
	_cleanup_closedir_ DIR *d = NULL;
	uint64_t sum = 0;
	struct dirent *entry;
	struct stat st;

	if (dir_stream(dir, &d) < 0)
		return 0;
	while ((entry = dir_next(d)) != NULL)
		if (entry->d_name[0] != '.' &&
		    fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
	return sum;
}

int fetch_report_ms(const struct fetch *f)
{
	return f->images->progress ? REPORT_EACH_MS : -1;
}

void fetch_report(struct fetch *f, const char *what, int ended)
{
	struct volt_progress p = { .what = what,
				   .total = f->total,
				   .items = ended > 0 ? (unsigned)ended : 0,
				   .items_total = f->layers };

	if (!f->images->progress)
		return;
	p.done = count_bytes(f->blobs);
	if (p.total > 0 && p.done > p.total)
		p.done = p.total;
	f->images->progress(f->images->progress_data, &p);
}

/* --- arrivals --- */

/* gzip, zstd, or the magic number of a tar header: the manifest arrives last. What is none
 * of them may still be a layer, but is not begun before the manifest says so. */
static bool looks_like_layer(int dir, const char *name)
{
	static const uint8_t gzip[] = { 0x1f, 0x8b }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint8_t head[512] = { 0 };

	return fd >= 0 && pread_full(fd, head, sizeof(head), 0) > 0 &&
	       (memcmp(head, gzip, sizeof(gzip)) == 0 ||
		memcmp(head, zstd, sizeof(zstd)) == 0 ||
		memcmp(head + 257, "ustar", 5) == 0);
}

static int on_arrival(struct fetch *f, int notify, struct volt_error *e)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	while ((n = read(notify, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *event = (const void *)p;
			struct digest d;
			int r = 0;

			p += sizeof(*event) + event->len;
			if (event->len > 0 && digest_parse(event->name, &d) == 0 &&
			    looks_like_layer(f->blobs, event->name))
				r = unpack_add(f->unpack, &d, e);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* --- the program --- */

static int watch(const struct fetch *f, struct volt_error *e)
{
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", f->blobs);
	if (fd < 0 || inotify_add_watch(fd, path, IN_MOVED_TO) < 0)
		return fail_errno(e, "watch for layers");
	return TAKE_FD(fd);
}

/* Until skopeo has ended, or a layer has failed. */
static int run_loop(struct skopeo_process *s, int notify, struct fetch *f,
		    struct volt_error *e)
{
	struct pollfd p[] = { { s->pidfd, POLLIN, 0 },
			      { notify, POLLIN, 0 },
			      { unpack_fd(f->unpack), POLLIN, 0 } };
	int ended = 0;

	while (!(p[0].revents & POLLIN)) {
		int n = poll(p, ARRAY_SIZE(p), fetch_report_ms(f));

		if (n < 0 && errno != EINTR)
			return fail_errno(e, "wait for 'skopeo'");
		if (n <= 0) {
			p[0].revents = 0;
			fetch_report(f, "fetch", ended);
			continue;
		}
		n = on_arrival(f, notify, e);
		if (n < 0)
			return n;
		ended = unpack_ended(f->unpack);
		if (ended < 0)
			return unpack_wait(f->unpack, e);
	}
	return skopeo_process_end(s, e);
}

int fetch_copy(struct fetch *f, const struct strv *args, struct volt_error *e)
{
	_cleanup_(skopeo_process_stop) struct skopeo_process s = SKOPEO_PROCESS_INIT;
	_cleanup_close_ int notify = watch(f, e);
	int r;

	if (notify < 0)
		return notify;
	fetch_report(f, "fetch", 0);
	r = skopeo_process_start(&s, args, f->staging->dir, -1, e);
	return r < 0 ? r : run_loop(&s, notify, f, e);
}

int fetch_wait(struct fetch *f, struct volt_error *e)
{
	struct pollfd p = { unpack_fd(f->unpack), POLLIN, 0 };
	int n = (int)unpack_count(f->unpack);

	f->layers = (unsigned)n;
	while (f->images->progress) {
		int ended = unpack_ended(f->unpack);

		fetch_report(f, "unpack", ended);
		if (ended < 0 || ended >= n)
			break;
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return fail_errno(e, "wait for layers");
	}
	return unpack_wait(f->unpack, e);
}
