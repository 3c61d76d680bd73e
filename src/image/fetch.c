/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * skopeo writes each blob under a temporary name and renames it to its digest when it is
 * whole and has that digest. inotify tells of the rename, and the layer is handed to the
 * threads while others still arrive. A missed event costs nothing but time: the caller adds
 * all layers once more at the end. What is waited for, in one poll(): skopeo's end, an
 * arrival, a thread's end, the next progress report.
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
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/path.h"
#include "base/spawn.h"

#define LOOK_EACH_MS 100
#define LOG_MAX      ((size_t)64 << 10)

/* --- progress --- */

/* Bytes of the files in a directory whose names begin so. */
static uint64_t count_bytes(int dir, const char *begin)
{
	_cleanup_closedir_ DIR *d = NULL;
	uint64_t sum = 0;
	struct dirent *entry;
	struct stat st;

	if (dir_stream(dir, &d) < 0)
		return 0;
	while ((entry = dir_next(d)) != NULL)
		if (entry->d_name[0] != '.' &&
		    strncmp(entry->d_name, begin, strlen(begin)) == 0 &&
		    fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_nlink == 1) /* more: was held before */
			sum += (uint64_t)st.st_size;
	return sum;
}

static uint64_t count_arrived(const struct fetch *f)
{
	_cleanup_close_ int layout =
		openat(f->staging->dir, FETCH_LAYOUT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* First where they are renamed to: none is to be counted twice. */
	uint64_t sum = count_bytes(f->blobs, "");

	return sum + count_bytes(layout, "oci-put-blob");
}

/* A registry may send without end, in many files that each are small enough. */
static int check_arrived(const struct fetch *f, struct volt_error *e)
{
	if (f->max_total == 0 || count_arrived(f) <= f->max_total)
		return 0;
	return fail(e, EFBIG, "the registry sends more than the manifest says");
}

static void report(struct fetch *f, const char *what, int ended)
{
	struct volt_progress p = { .what = what,
				   .total = f->total,
				   .items = ended > 0 ? (unsigned)ended : 0,
				   .items_total = f->layers };

	if (!f->images->progress)
		return;
	p.done = count_arrived(f);
	if (p.total > 0 && p.done > p.total)
		p.done = p.total;
	f->images->progress(f->images->progress_data, &p);
}

/* --- arrivals --- */

/* gzip, zstd, or the magic number of a tar header. What is none of them may still be a
 * layer, but is not begun before the manifest says so. */
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

/* Whether a blob is a layer, as far as can be told: the manifest may arrive last. */
static bool is_layer(const struct fetch *f, const char *name, const struct digest *d)
{
	if (!f->manifest)
		return looks_like_layer(f->blobs, name);
	for (size_t i = 0; i < f->manifest->n_layers; i++)
		if (digest_equal(&f->manifest->layers[i].digest, d))
			return true;
	return false;
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
			    is_layer(f, event->name, &d))
				r = unpack_add(f->unpack, &d, e);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* --- the program --- */

struct run {
	pid_t pid;
	int pidfd, notify, log;
};

static void run_done(struct run *r)
{
	if (r->pid > 0) {
		(void)kill(r->pid, SIGKILL);
		while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	closep(&r->pidfd);
	closep(&r->notify);
	closep(&r->log);
}

static int run_start(struct run *r, const struct fetch *f, const struct strv *args,
		     struct volt_error *e)
{
	struct spawn s = SPAWN_INIT;
	char path[64];

	r->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", f->blobs);
	if (r->notify < 0 || inotify_add_watch(r->notify, path, IN_MOVED_TO) < 0)
		return fail_errno(e, "watch for layers");
	/* In memory: on a full disk there would be no room for why it failed. */
	r->log = memfd_create("skopeo", MFD_CLOEXEC);
	if (r->log < 0)
		return fail_errno(e, "make a place for the messages of 'skopeo'");
	s.argv = (const char *const *)args->v;
	s.err = r->log;
	s.cwd = f->staging->dir;
	s.die_with_parent = true;
	s.max_file = f->max;
	/* What arrives is synced once, by its commit. Its caches skopeo syncs by fdatasync().
	 * From elsewhere it may need newuidmap, which is denied to whom calls are ignored. */
	if (f->manifest)
		s.ignored_call = SYS_fsync;
	return spawn_start(&s, &r->pid, &r->pidfd, e);
}

/* The last line it wrote that says anything. */
static int run_failed(struct run *r, int status, struct volt_error *e)
{
	_cleanup_free_ char *text = NULL;
	char *line;
	size_t n;

	if (WIFSIGNALED(status))
		return fail(e, EIO, "'skopeo' was killed by signal %d", WTERMSIG(status));
	if (lseek(r->log, 0, SEEK_SET) < 0 || read_all(r->log, LOG_MAX, &text, &n) < 0)
		return fail(e, EIO, "'skopeo' failed (status %d)", WEXITSTATUS(status));
	while (n > 0 && strchr(" \t\r\n", text[n - 1]))
		text[--n] = '\0';
	if (n == 0)
		return fail(e, EIO, "'skopeo' failed (status %d) and did not say why",
			    WEXITSTATUS(status));
	line = strrchr(text, '\n');
	return skopeo_explain(line ? line + 1 : text, e);
}

static int run_end(struct run *r, struct volt_error *e)
{
	int status;

	while (waitpid(r->pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail_errno(e, "wait for 'skopeo'");
	r->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return run_failed(r, status, e);
}

/* Until skopeo has ended, or a layer has failed. */
static int run_loop(struct run *r, struct fetch *f, struct volt_error *e)
{
	struct pollfd p[] = { { r->pidfd, POLLIN, 0 },
			      { r->notify, POLLIN, 0 },
			      { unpack_fd(f->unpack), POLLIN, 0 } };
	int ended = 0;

	while (!(p[0].revents & POLLIN)) {
		int n = poll(p, ARRAY_SIZE(p), LOOK_EACH_MS);

		if (n < 0 && errno != EINTR)
			return fail_errno(e, "wait for 'skopeo'");
		if (n <= 0) {
			p[0].revents = 0;
			report(f, "fetch", ended);
			if (check_arrived(f, e) < 0)
				return -EFBIG;
			continue;
		}
		n = on_arrival(f, r->notify, e);
		if (n < 0)
			return n;
		ended = unpack_ended(f->unpack);
		if (ended < 0)
			return unpack_wait(f->unpack, e);
	}
	return run_end(r, e);
}

int fetch_copy(struct fetch *f, const struct strv *args, struct volt_error *e)
{
	_cleanup_(run_done) struct run r = { .pidfd = -1, .notify = -1, .log = -1 };
	int code;

	report(f, "fetch", 0);
	if (f->max_total > 0) /* held layers that could not be linked were copied */
		f->max_total += count_arrived(f);
	code = run_start(&r, f, args, e);
	return code < 0 ? code : run_loop(&r, f, e);
}

int fetch_wait(struct fetch *f, struct volt_error *e)
{
	struct pollfd p = { unpack_fd(f->unpack), POLLIN, 0 };
	int n = (int)unpack_count(f->unpack);

	f->layers = (unsigned)n;
	while (f->images->progress) {
		int ended = unpack_ended(f->unpack);

		report(f, "unpack", ended);
		if (ended < 0 || ended >= n)
			break;
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return fail_errno(e, "wait for layers");
	}
	return unpack_wait(f->unpack, e);
}
