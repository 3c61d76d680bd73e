/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "lib/internal.h"
#include "lib/nanos-machine.h"
#include "rootfs/nanos-klog.h"
#include "rootfs/overlay.h"
#include "rootfs/qcow2.h"
#include "rootfs/tfs-read.h"

#define READ_SIZE (256u << 10)

struct volt_nanos {
	char *path; /* for people */
	bool bootfs;
	int fd, base;
	bool overlaid;
	struct overlay overlay;
	struct byte_source from;
	struct nanos_parts parts;
	struct tfs *fs; /* once it is needed */
};

void volt_nanos_free(struct volt_nanos *d)
{
	if (!d)
		return;
	tfs_close(d->fs);
	closep(&d->fd);
	closep(&d->base);
	free(d->path);
	free(d);
}

DEFINE_CLEANUP(struct volt_nanos *, volt_nanos_free)

/* A file or a block device that the user has named. */
static int open_disk(const char *path, struct volt_error *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_errno(e, "open disk '%s'", path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return fail(e, EINVAL, "disk '%s' is neither a file nor a block device",
			    path);
	return TAKE_FD(fd);
}

static int is_overlay(int fd, const char *path, struct volt_error *e)
{
	unsigned char magic[4] = { 0 };
	ssize_t n = pread_full(fd, magic, sizeof(magic), 0);

	if (n < 0)
		return fail_code(e, (int)n, "read disk '%s'", path);
	return magic[0] == QCOW2_MAGIC >> 24 && magic[1] == (QCOW2_MAGIC >> 16 & 0xff) &&
	       magic[2] == (QCOW2_MAGIC >> 8 & 0xff) && magic[3] == (QCOW2_MAGIC & 0xff);
}

static int open_overlay(struct volt_nanos *d, const char *base, struct volt_error *e)
{
	int r;

	if (d->base < 0 && !base)
		return fail(e, EINVAL,
			    "disk '%s' is an overlay: its base must be named, too",
			    d->path);
	if (d->base < 0)
		d->base = open_disk(base, e);
	if (d->base < 0)
		return d->base;
	r = overlay_open(d->fd, d->base, &d->overlay, e);
	if (r < 0)
		return fail_in(e, r, "disk '%s'", d->path);
	d->overlaid = true;
	d->from = overlay_source(&d->overlay);
	return 0;
}

/* What has no slash and is no file is a machine. */
static bool is_machine(const char *disk)
{
	struct stat st;

	return !strchr(disk, '/') && stat(disk, &st) < 0 && errno == ENOENT;
}

static int open_bytes(struct volt_ctx *ctx, struct volt_nanos *d, const char *base,
		      struct volt_error *e)
{
	int r;

	d->fd = is_machine(d->path) && !base
			? nanos_machine_disk(ctx, d->path, &d->base, e)
			: open_disk(d->path, e);
	if (d->fd < 0)
		return d->fd;
	d->from = byte_source_fd(&d->fd);
	r = is_overlay(d->fd, d->path, e);
	if (r == 0 && (base || d->base >= 0))
		return fail(e, EINVAL, "disk '%s' is no overlay: it lies over nothing",
			    d->path);
	return r > 0 ? open_overlay(d, base, e) : r;
}

static int find_parts(struct volt_nanos *d, struct volt_error *e)
{
	off_t end = lseek(d->fd, 0, SEEK_END);
	int r;

	if (end < 0)
		return fail_errno(e, "find the end of disk '%s'", d->path);
	r = nanos_disk_find(&d->from, d->overlaid ? d->overlay.size : (uint64_t)end,
			    &d->parts, e);
	return r < 0 ? fail_in(e, r, "disk '%s'", d->path) : 0;
}

int volt_nanos_open(struct volt_ctx *ctx, const char *disk, const char *options,
		    struct volt_nanos **ret, struct volt_error *e)
{
	static const char *const known[] = { "base", "bootfs", NULL };
	_cleanup_(volt_nanos_freep) struct volt_nanos *d = calloc(1, sizeof(*d));
	json_auto_t *j = NULL;
	const char *base = NULL;
	int r;

	if (!d)
		return fail_oom(e);
	d->fd = d->base = -1;
	d->path = strdup(disk);
	if (!d->path)
		return fail_oom(e);
	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = json_get_string(j, "base", &base, e)) < 0 ||
	    (r = json_get_bool(j, "bootfs", &d->bootfs, e)) < 0 ||
	    (r = open_bytes(ctx, d, base, e)) < 0 || (r = find_parts(d, e)) < 0)
		return r;
	*ret = TAKE_PTR(d);
	return 0;
}

/* What list and read begin with. */
static int find_file(struct volt_nanos *d, const char *path, uint32_t *ret,
		     struct volt_error *e)
{
	const struct nanos_extent *x = d->bootfs ? &d->parts.bootfs : &d->parts.root;
	int r = 0;

	if (x->size == 0)
		return fail(e, ENOENT, "disk '%s' has no file system to boot from",
			    d->path);
	if (!d->fs)
		r = tfs_open(&d->from, x->at, x->size, &d->fs, e);
	if (r < 0)
		return fail_in(e, r, "disk '%s'", d->path);
	return tfs_lookup(d->fs, path, true, ret, e);
}

static int give_file(const struct tfs *fs, uint32_t node, const char *path,
		     volt_nanos_file_fn fn, void *data)
{
	static const char *const types[] = {
		[TFS_DIRECTORY] = "directory",
		[TFS_FILE] = "file",
		[TFS_LINK] = "link",
		[TFS_SPECIAL] = "special",
	};
	struct tfs_stat st;
	struct volt_nanos_file f = { .path = path };

	tfs_stat(fs, node, &st);
	f.type = types[st.type];
	f.target = st.target;
	f.size = st.size;
	f.allocated = st.allocated;
	f.mtime = st.mtime;
	f.links = st.links;
	return fn(data, &f);
}

/* A directory that is being listed. */
struct level {
	uint32_t dir, next;
};

struct walk {
	const struct tfs *fs;
	bool recursive;
	struct level *stack;
	size_t depth, room;
	volt_nanos_file_fn fn;
	void *data;
	struct volt_error *e;
};

static int enter(struct walk *w, uint32_t dir)
{
	if (w->depth == w->room) {
		size_t room = w->room * 2 + 16;
		struct level *p = reallocarray(w->stack, room, sizeof(*p));

		if (!p)
			return fail_oom(w->e);
		w->stack = p;
		w->room = room;
	}
	w->stack[w->depth++] = (struct level){ dir, 0 };
	return 0;
}

static int give_next(struct walk *w)
{
	struct level *l = &w->stack[w->depth - 1];
	char path[PATH_MAX + NAME_MAX + 2];
	struct tfs_stat st;
	const char *name;
	uint32_t node;
	size_t n;
	int r;

	if (l->next == tfs_n_children(w->fs, l->dir)) {
		w->depth--;
		return 0;
	}
	name = tfs_child(w->fs, l->dir, l->next++, &node);
	tfs_path(w->fs, l->dir, path);
	n = l->dir == TFS_ROOT ? 0 : strlen(path);
	(void)snprintf(path + n, sizeof(path) - n, "/%s", name);
	r = give_file(w->fs, node, path, w->fn, w->data);
	if (r != 0)
		return r;
	tfs_stat(w->fs, node, &st);
	return w->recursive && st.type == TFS_DIRECTORY ? enter(w, node) : 0;
}

static int list_from(const struct tfs *fs, uint32_t node, struct walk *w)
{
	char path[PATH_MAX];
	struct tfs_stat st;
	int r;

	tfs_stat(fs, node, &st);
	if (st.type != TFS_DIRECTORY) {
		tfs_path(fs, node, path);
		return give_file(fs, node, path, w->fn, w->data);
	}
	r = enter(w, node);
	while (r == 0 && w->depth > 0)
		r = give_next(w);
	free(w->stack);
	return r;
}

int volt_nanos_list(struct volt_nanos *d, const char *path, bool recursive,
		    volt_nanos_file_fn fn, void *data, struct volt_error *e)
{
	struct walk w = { .recursive = recursive, .fn = fn, .data = data, .e = e };
	uint32_t node;
	int r = find_file(d, path, &node, e);

	if (r < 0)
		return r;
	w.fs = d->fs;
	return list_from(d->fs, node, &w);
}

static int read_all_of(const struct tfs *fs, uint32_t node, volt_nanos_bytes_fn fn,
		       void *data, struct volt_error *e)
{
	_cleanup_free_ char *buf = malloc(READ_SIZE);
	uint64_t at = 0;
	ssize_t n = 1;
	int r = 0;

	if (!buf)
		return fail_oom(e);
	while (r == 0 && n > 0) {
		n = tfs_node_read(fs, node, at, buf, READ_SIZE, e);
		if (n > 0)
			r = fn(data, buf, (size_t)n);
		at += n > 0 ? (uint64_t)n : 0;
	}
	return n < 0 ? (int)n : r;
}

int volt_nanos_read(struct volt_nanos *d, const char *path, volt_nanos_bytes_fn fn,
		    void *data, struct volt_error *e)
{
	struct tfs_stat st;
	uint32_t node;
	int r = find_file(d, path, &node, e);

	if (r < 0)
		return r;
	tfs_stat(d->fs, node, &st);
	if (st.type == TFS_DIRECTORY)
		return fail(e, EISDIR, "'%s' on the disk is a directory", path);
	if (st.type != TFS_FILE)
		return fail(e, EINVAL, "'%s' on the disk is no regular file", path);
	return read_all_of(d->fs, node, fn, data, e);
}

static json_t *extent_json(const struct nanos_extent *x)
{
	return json_pack("{s:I, s:I}", "at", (json_int_t)x->at, "size",
			 (json_int_t)x->size);
}

static json_t *uuid_json(const uint8_t *u)
{
	char text[40], *to = text;

	for (size_t i = 0; i < TFS_UUID_SIZE; i++)
		to += sprintf(to, "%s%02x",
			      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", u[i]);
	return json_string(text);
}

/* Takes @value; a failure shows when the whole answer is made. */
static void set(json_t *j, const char *key, json_t *value, bool *bad)
{
	if (json_object_set_new(j, key, value) < 0)
		*bad = true;
}

static void set_size(json_t *j, const char *key, uint64_t n, bool *bad)
{
	set(j, key, json_integer((json_int_t)n), bad);
}

static void add_usage(const struct tfs *fs, json_t *j, bool *bad)
{
	json_t *log = json_array();
	struct tfs_usage u;

	tfs_usage(fs, &u);
	for (size_t i = 0; i < u.n_log; i++)
		if (json_array_append_new(log, extent_json(&u.log[i])) < 0)
			*bad = true;
	set(j, "log", log, bad);
	set_size(j, "log_end", u.log_end, bad);
	set_size(j, "log_left", u.log_left, bad);
	set_size(j, "records", u.records, bad);
	set_size(j, "free", u.free, bad);
	set_size(j, "largest_free", u.largest_free, bad);
	set_size(j, "directories", u.directories, bad);
	set_size(j, "files", u.files, bad);
	set_size(j, "links", u.links, bad);
	set_size(j, "specials", u.specials, bad);
}

/* What cannot be read is said where it is, so that the rest is shown. */
static int add_fs(const struct volt_nanos *d, const struct nanos_extent *x, json_t *j,
		  struct volt_error *e)
{
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	json_t *attributes = NULL;
	struct volt_error why = { 0 };
	bool bad = false;
	int r = tfs_open(&d->from, x->at, x->size, &fs, &why);

	if (r >= 0)
		r = tfs_attributes(fs, &attributes, &why);
	if (r < 0) {
		set(j, "error", json_string(why.msg), &bad);
	} else {
		set(j, "label", json_bytes(tfs_label(fs), strlen(tfs_label(fs))), &bad);
		set(j, "uuid", uuid_json(tfs_uuid(fs)), &bad);
		set(j, "attributes", attributes, &bad);
		add_usage(fs, j, &bad);
	}
	return bad ? fail_oom(e) : 0;
}

static int fs_json(const struct volt_nanos *d, const struct nanos_extent *x, json_t **ret,
		   struct volt_error *e)
{
	json_auto_t *j = x->size > 0 ? extent_json(x) : json_null();
	int r = 0;

	if (!j)
		return fail_oom(e);
	if (x->size > 0)
		r = add_fs(d, x, j, e);
	*ret = r < 0 ? NULL : TAKE_PTR(j);
	return r;
}

static int klog_json(const struct volt_nanos *d, json_t **ret, struct volt_error *e)
{
	struct nanos_klog k;
	char id[24];
	int r = d->parts.klog ? nanos_klog_read(&d->from, d->parts.klog, &k, e) : 0;

	if (r < 0)
		return r;
	if (r == 0) {
		*ret = json_null();
		return 0;
	}
	(void)snprintf(id, sizeof(id), "%016llx", (unsigned long long)k.boot_id);
	*ret = json_pack("{s:I, s:s, s:i, s:o}", "at", (json_int_t)d->parts.klog,
			 "boot_id", id, "exit_code", (int)k.code, "text",
			 json_bytes(k.text, strlen(k.text)));
	return *ret ? 0 : fail_oom(e);
}

int volt_nanos_dump(struct volt_nanos *d, char **ret, struct volt_error *e)
{
	json_auto_t *klog = NULL, *bootfs = NULL, *root = NULL;
	json_t *esp;
	int r;

	if ((r = klog_json(d, &klog, e)) < 0 ||
	    (r = fs_json(d, &d->parts.bootfs, &bootfs, e)) < 0 ||
	    (r = fs_json(d, &d->parts.root, &root, e)) < 0)
		return r;
	esp = d->parts.esp.size > 0 ? extent_json(&d->parts.esp) : json_null();
	return answer(0,
		      json_pack("{s:I, s:b, s:b, s:O, s:o, s:O, s:O}", "size",
				(json_int_t)d->parts.size, "partitioned",
				d->parts.partitioned, "overlay", d->overlaid, "crash_log",
				klog, "esp", esp, "bootfs", bootfs, "root", root),
		      ret, e);
}
