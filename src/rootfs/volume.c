/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 *	volumes/.lock               held while names change hands
 *	volumes/NAME/volume.json    what it is
 *	volumes/NAME/disk.img       its file system, as sparse as it is empty
 *	volumes/.tmp-XXXX/          one in the making, or going
 *
 * A volume is made under a temporary name and comes into being by rename, after its content
 * was synced; it goes the other way round. Both happen under volumes/.lock, so whoever holds
 * that may take every temporary name for the remains of a crash, and sweep them. Reading
 * needs no lock.
 *
 * Who uses a volume is said by a lock on the first byte of its disk: exclusive by a machine
 * that writes, shared by those that read. QEMU's own locks are on other bytes, and given back
 * whenever it ends; this one stays as long as the descriptor that the machine's supervisor
 * keeps. It is taken under volumes/.lock (shared), so a volume that is being removed is either
 * seen to be in use or not found.
 */
#include "rootfs/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/path.h"
#include "image/tree-builder.h"
#include "rootfs/volume-private.h"

#define DISK_NAME  "disk.img"
#define JSON_NAME  "volume.json"
#define LOCK_NAME  ".lock" /* no volume can be called so */
#define TMP_PREFIX ".tmp-"

static int volumes_open(int rootfd, struct volt_error *e)
{
	int fd = mkdir_beneath(rootfd, "volumes", 0700);

	return fd < 0 ? fail_code(e, fd, "open directory 'volumes'") : fd;
}

static int volumes_lock(int volumes, enum lock_mode mode, struct volt_error *e)
{
	int fd = lock_open(volumes, LOCK_NAME, mode, true);

	return fd < 0 ? fail_code(e, fd, "lock directory 'volumes'") : fd;
}

static bool is_tmp(const char *name)
{
	return strncmp(name, TMP_PREFIX, strlen(TMP_PREFIX)) == 0;
}

/* Under volumes/.lock: what a crash left. Failure is not the caller's trouble. */
static void sweep(int volumes)
{
	_cleanup_closedir_ DIR *d = NULL;

	if (dir_stream(volumes, &d) < 0)
		return;
	for (const struct dirent *de; (de = dir_next(d));)
		if (is_tmp(de->d_name))
			(void)remove_tree_at(volumes, de->d_name);
}

static int no_volume(const char *name, struct volt_error *e)
{
	return fail(e, ENOENT, "no volume '%.200s'", name);
}

/* Its directory; @name is from outside. */
static int open_named(int volumes, const char *name, struct volt_error *e)
{
	int fd;

	if (!name_is_valid(name) || strlen(name) > VOLUME_NAME_MAX)
		return no_volume(name, e);
	fd = open_beneath(volumes, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return no_volume(name, e);
	return fd < 0 ? fail_code(e, fd, "open volume '%s'", name) : fd;
}

/* --- making --- */

static int empty_tree(struct tree **ret, struct volt_error *e)
{
	const struct tree_entry root = { .path = "", .mode = S_IFDIR | 0755 };
	_cleanup_(tree_builder_freep) struct tree_builder *b = NULL;
	int r;

	if ((r = tree_builder_new(&b, e)) < 0 || (r = tree_builder_add(b, &root, e)) < 0)
		return r;
	return tree_builder_finish(b, NULL, ret, e);
}

static int write_disk(int dirfd, const struct volume *v, struct volt_error *e)
{
	_cleanup_(tree_freep) struct tree *t = NULL;
	_cleanup_close_ int fd = -1;
	struct tfs_input in = { .label = v->name };
	int r = empty_tree(&t, e);

	if (r < 0)
		return r;
	fd = openat(dirfd, DISK_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno(e, "make '" DISK_NAME "'");
	in.tree = t;
	memcpy(in.uuid, v->uuid, sizeof(in.uuid));
	r = tfs_write(&in, fd, 0, NULL, e);
	if (r < 0)
		return r;
	/* The guest takes a disk's size for that of the file system on it. */
	if (ftruncate(fd, (off_t)v->size) < 0 || fsync(fd) < 0)
		return fail_errno(e, "size '" DISK_NAME "' to %llu bytes",
				  (unsigned long long)v->size);
	return 0;
}

static int write_files(int volumes, const char *tmp, const struct volume *v,
		       struct volt_error *e)
{
	_cleanup_close_ int dirfd = -1;
	json_auto_t *j = volume_to_json(v);
	int r;

	if (!j)
		return fail_oom(e);
	if (mkdirat(volumes, tmp, 0700) < 0)
		return fail_errno(e, "make a directory");
	dirfd = openat(volumes, tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return fail_errno(e, "open its directory");
	r = write_disk(dirfd, v, e);
	/* Syncs the directory, too. */
	return r < 0 ? r : json_write_at(dirfd, JSON_NAME, j, 0600, e);
}

/* Under volumes/.lock. */
static int make(int volumes, const struct volume *v, struct volt_error *e)
{
	char tmp[TMP_NAME_SIZE];
	int r;

	if (faccessat(volumes, v->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return fail(e, EEXIST, "volume '%s' exists already", v->name);
	sweep(volumes);
	r = tmp_name(tmp);
	if (r < 0)
		return fail_code(e, r, "make volume '%s'", v->name);
	r = write_files(volumes, tmp, v, e);
	if (r < 0)
		r = fail_in(e, r, "make volume '%s'", v->name);
	else if (renameat2(volumes, tmp, volumes, v->name, RENAME_NOREPLACE) < 0)
		r = fail_errno(e, "make volume '%s'", v->name);
	if (r < 0)
		(void)remove_tree_at(volumes, tmp);
	else if (fsync(volumes) < 0)
		r = fail_errno(e, "sync directory 'volumes'");
	return r;
}

static int from_wish(const struct volume_wish *w, struct volume *v, struct volt_error *e)
{
	int r = w->name ? volume_check_name(w->name, e) : 0;

	if (r < 0)
		return r;
	v->size = w->size ? w->size : VOLUME_SIZE_DEFAULT;
	if ((r = volume_check_size(v->size, e)) < 0 ||
	    (w->labels && (r = volume_check_labels(w->labels, e)) < 0))
		return r;
	r = uuid_random(v->uuid);
	if (w->name)
		(void)snprintf(v->name, sizeof(v->name), "%s", w->name);
	else if (r == 0)
		r = random_hex(v->name, VOLUME_NAME_MAX / 2);
	if (r < 0)
		return fail_code(e, r, "choose a volume's id");
	v->created_at = clock_wall();
	v->labels = w->labels ? json_deep_copy(w->labels) : json_object();
	return v->labels ? 0 : fail_oom(e);
}

int volume_create(int rootfd, const struct volume_wish *w, struct volume *ret,
		  struct volt_error *e)
{
	_cleanup_(volume_done) struct volume v = { 0 };
	_cleanup_close_ int volumes = -1, lock = -1;
	int r = from_wish(w, &v, e);

	if (r < 0)
		return r;
	volumes = volumes_open(rootfd, e);
	if (volumes < 0)
		return volumes;
	lock = volumes_lock(volumes, LOCK_EXCLUSIVE, e);
	if (lock < 0)
		return lock;
	r = make(volumes, &v, e);
	if (r < 0)
		return r;
	*ret = v;
	v = (struct volume){ 0 };
	return 0;
}

/* --- reading --- */

static int read_in(int dirfd, const char *name, struct volume *ret, struct volt_error *e)
{
	json_auto_t *j = NULL;
	int r = json_read_at(dirfd, JSON_NAME, &j, e);

	if (r == 0)
		r = volume_from_json(j, name, ret, e);
	return r < 0 ? fail_in(e, r == -ENOENT ? -EBADMSG : r, "volume '%s'", name) : 0;
}

int volume_read(int rootfd, const char *name, struct volume *ret, struct volt_error *e)
{
	_cleanup_close_ int volumes = volumes_open(rootfd, e), dirfd = -1;
	int r;

	if (volumes < 0)
		return volumes;
	dirfd = open_named(volumes, name, e);
	if (dirfd < 0)
		return dirfd;
	r = read_in(dirfd, name, ret, e);
	/* Removed meanwhile: its files go after its name. */
	if (r < 0 && faccessat(volumes, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return no_volume(name, e);
	return r;
}

void volume_list_done(struct volume_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		volume_done(&l->v[i]);
	free(l->v);
	*l = (struct volume_list){ 0 };
}

static int by_name(const void *a, const void *b)
{
	const struct volume *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int list_add(struct volume_list *l, int rootfd, const char *name,
		    const struct log *log)
{
	struct volume *v = reallocarray(l->v, l->n + 1, sizeof(*v));
	struct volt_error why = { 0 };
	int r;

	if (!v)
		return -ENOMEM;
	l->v = v;
	r = volume_read(rootfd, name, &v[l->n], &why);
	if (r == 0)
		l->n++;
	else if (r != -ENOENT)
		log_line(log, 4, "%s", why.msg);
	return 0;
}

int volume_list(int rootfd, const struct log *log, struct volume_list *ret,
		struct volt_error *e)
{
	_cleanup_(volume_list_done) struct volume_list l = { 0 };
	_cleanup_close_ int volumes = volumes_open(rootfd, e);
	_cleanup_closedir_ DIR *d = NULL;
	int r;

	if (volumes < 0)
		return volumes;
	r = dir_stream(volumes, &d);
	if (r < 0)
		return fail_code(e, r, "list directory 'volumes'");
	for (const struct dirent *de; (de = dir_next(d));)
		if (!is_tmp(de->d_name) && list_add(&l, rootfd, de->d_name, log) < 0)
			return fail_oom(e);
	if (errno)
		return fail_errno(e, "list directory 'volumes'");
	if (l.n > 0)
		qsort(l.v, l.n, sizeof(*l.v), by_name);
	*ret = l;
	l = (struct volume_list){ 0 };
	return 0;
}

/* --- using and removing --- */

/* -EAGAIN: another has it. */
static int lock_disk(int fd, bool read_only)
{
	struct flock l = { .l_type = read_only ? F_RDLCK : F_WRLCK, .l_len = 1 };

	if (fcntl(fd, F_OFD_SETLK, &l) < 0)
		return errno == EACCES ? -EAGAIN : -errno;
	return 0;
}

static int open_disk(int dirfd, const struct volume *v, bool read_only, int *ret,
		     struct volt_error *e)
{
	_cleanup_close_ int fd =
		open_beneath(dirfd, DISK_NAME,
			     (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK, 0);
	struct stat st;
	int r;

	if (fd < 0)
		return fail_code(e, fd, "open the disk of volume '%s'", v->name);
	if (fstat(fd, &st) < 0)
		return fail_errno(e, "look at the disk of volume '%s'", v->name);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != v->size)
		return fail(e, EBADMSG,
			    "the disk of volume '%s' is not a file of %llu bytes",
			    v->name, (unsigned long long)v->size);
	r = lock_disk(fd, read_only);
	if (r == -EAGAIN)
		return fail(e, EBUSY, "volume '%s' is in use by another machine%s",
			    v->name, read_only ? ", which writes to it" : "");
	if (r < 0)
		return fail_code(e, r, "lock the disk of volume '%s'", v->name);
	*ret = TAKE_FD(fd);
	return 0;
}

int volume_take(int rootfd, const char *name, bool read_only, struct volume *ret,
		int *ret_fd, struct volt_error *e)
{
	_cleanup_close_ int volumes = volumes_open(rootfd, e), lock = -1, dirfd = -1;
	struct volume v = { 0 };
	int r;

	if (volumes < 0)
		return volumes;
	lock = volumes_lock(volumes, LOCK_SHARED, e);
	if (lock < 0)
		return lock;
	dirfd = open_named(volumes, name, e);
	if (dirfd < 0)
		return dirfd;
	r = read_in(dirfd, name, &v, e);
	if (r == 0)
		r = open_disk(dirfd, &v, read_only, ret_fd, e);
	if (r < 0) {
		volume_done(&v);
		return r;
	}
	*ret = v;
	return 0;
}

/* A disk that is missing or no file is nobody's. */
static bool in_use(int dirfd)
{
	_cleanup_close_ int fd =
		open_beneath(dirfd, DISK_NAME, O_RDWR | O_CLOEXEC | O_NONBLOCK, 0);

	return fd >= 0 && lock_disk(fd, false) == -EAGAIN;
}

int volume_remove(int rootfd, const char *name, struct volt_error *e)
{
	_cleanup_close_ int volumes = volumes_open(rootfd, e), lock = -1, dirfd = -1;
	char tmp[TMP_NAME_SIZE];
	int r;

	if (volumes < 0)
		return volumes;
	lock = volumes_lock(volumes, LOCK_EXCLUSIVE, e);
	if (lock < 0)
		return lock;
	sweep(volumes);
	dirfd = open_named(volumes, name, e);
	if (dirfd < 0)
		return dirfd;
	if (in_use(dirfd))
		return fail(e, EBUSY, "volume '%s' is in use by a machine that runs",
			    name);
	r = tmp_name(tmp);
	if (r < 0)
		return fail_code(e, r, "remove volume '%s'", name);
	if (renameat2(volumes, name, volumes, tmp, RENAME_NOREPLACE) < 0 ||
	    fsync(volumes) < 0)
		return fail_errno(e, "remove volume '%s'", name);
	r = remove_tree_at(volumes, tmp);
	return r < 0 ? fail_code(e, r, "remove the files of volume '%s'", name) : 0;
}
