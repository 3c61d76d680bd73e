/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: machines/
 *
 *	lock            held while names change hands
 *	names/NAME      symbolic link whose text is the id
 *	ID/             machine.json, state.json, lock, logs, writable disk
 *	.tmp-XXXX/      being made or being removed
 *
 * A machine is made under a temporary name, its name is claimed, and one rename() brings
 * it into being. Removing goes the other way round. All of that happens under machines/
 * lock, so whoever holds it may take every claim without a machine and every temporary
 * directory for the remains of a crash, and sweep them. Reading needs no lock.
 *
 * ID/lock is another matter: it is held as long as a supervisor lives (or by whoever
 * repairs or removes a machine that has none), and is the only sign of life there is.
 */

#include "vm/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/path.h"
#include "vm/internal.h"
#include "vm/machine-internal.h"
#include "vm/vnc.h"

#define NAME_ATTEMPTS 100
#define TMP_PREFIX    ".tmp-"

int machines_open(const struct vm_env *env, struct volt_error *e)
{
	int fd = mkdir_beneath(env->rootfd, "machines", 0700);

	return fd < 0 ? fail_code(e, fd, "open 'machines'") : fd;
}

/* Held while a name is claimed or given up, so that a claim whose machine is missing can only
 * be the trace of a crash. */
static int machines_lock(int machines, struct volt_error *e)
{
	int fd = lock_open(machines, "lock", LOCK_EXCLUSIVE, true);

	return fd < 0 ? fail_code(e, fd, "lock 'machines'") : fd;
}

static bool is_id(const char *s)
{
	struct digest d;

	return digest_parse(s, &d) == 0;
}

void machine_close(struct machine *m)
{
	if (!m)
		return;
	closep(&m->dirfd);
	closep(&m->machines);
	spec_free(m->spec);
	free(m);
}

const char *machine_id(const struct machine *m)
{
	return m->id;
}

/* NULL: out of memory. */
static struct machine *machine_new(const struct vm_env *env)
{
	struct machine *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->env = env;
	m->dirfd = m->machines = -1;
	return m;
}

static void set_who(struct machine *m, const char *who)
{
	(void)snprintf(m->who, sizeof(m->who), "%s", who);
}

/* --- names --- */

/* The id a name belongs to; -ENOENT. */
static int name_lookup(int machines, const char *name, char id[static DIGEST_HEX_SIZE])
{
	_cleanup_close_ int names = -1;
	ssize_t n;

	names = openat(machines, "names", O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (names < 0)
		return -errno;
	n = readlinkat(names, name, id, DIGEST_HEX_SIZE);
	if (n < 0)
		return errno == EINVAL ? -ENOENT : -errno;
	if (n != DIGEST_HEX_SIZE - 1)
		return -ENOENT;
	id[n] = '\0';
	return is_id(id) ? 0 : -ENOENT;
}

/* Under machines/lock. -EEXIST with the owner's id. */
static int name_claim(int machines, const char *name, const char *id,
		      char owner[static DIGEST_HEX_SIZE])
{
	_cleanup_close_ int names = mkdir_beneath(machines, "names", 0700);

	if (names < 0)
		return names;
	if (name_lookup(machines, name, owner) == 0 &&
	    faccessat(machines, owner, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	(void)unlinkat(names, name, 0);
	return symlinkat(id, names, name) < 0 ? -errno : 0;
}

static void name_release(int machines, const char *name, const char *id)
{
	char owner[DIGEST_HEX_SIZE];
	_cleanup_close_ int names = -1;

	names = openat(machines, "names", O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (names >= 0 && name_lookup(machines, name, owner) == 0 &&
	    strcmp(owner, id) == 0)
		(void)unlinkat(names, name, 0);
}

static int claim_given_or_made(int machines, struct spec *s, struct volt_error *e)
{
	char owner[DIGEST_HEX_SIZE] = "", name[64];
	int r = -EEXIST;

	if (s->name) {
		r = name_claim(machines, s->name, s->id, owner);
		if (r == -EEXIST)
			return fail(e, EEXIST,
				    "the name '%s' is in use by machine %.12s; remove it "
				    "or choose another name",
				    s->name, owner);
		return r < 0 ? fail_code(e, r, "claim the name '%s'", s->name) : 0;
	}
	for (unsigned int i = 0; r == -EEXIST && i < NAME_ATTEMPTS; i++) {
		name_make(name, i);
		r = name_claim(machines, name, s->id, owner);
	}
	if (r < 0)
		return fail_code(e, r, "claim a name");
	s->name = strdup(name);
	return s->name ? 0 : fail_oom(e);
}

/* Under machines/lock: what a crash left of machines half made or half removed. */
static void sweep(int machines)
{
	_cleanup_closedir_ DIR *d = NULL;
	int fd = openat(machines, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *de;

	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d && fd >= 0)
		(void)close(fd);
	while (d && (de = readdir(d)))
		if (strncmp(de->d_name, TMP_PREFIX, strlen(TMP_PREFIX)) == 0)
			(void)remove_tree_at(machines, de->d_name);
}

/* --- making --- */

static int write_files(int dirfd, const struct spec *s, struct volt_error *e)
{
	_cleanup_(state_done) struct state st = { 0 };
	json_auto_t *j = spec_to_json(s);
	_cleanup_(spec_freep) struct spec *checked = NULL;

	if (!j)
		return fail_oom(e);
	/* What is stored is what every later reader accepts. */
	TRY(spec_parse(j, SPEC_STORED, &checked, e));
	TRY(state_init(&st, s, e));
	/* The environment may hold secrets: 0600. */
	TRY(json_write_at(dirfd, "machine.json", j, 0600, e));
	return state_write(dirfd, &st, e);
}

static int make(struct machine *m, const char *tmp, struct spec *s, struct volt_error *e)
{
	int r;

	if (mkdirat(m->machines, tmp, 0700) < 0)
		return fail_errno(e, "make a machine's directory");
	m->dirfd = openat(m->machines, tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->dirfd < 0)
		return fail_errno(e, "open a machine's directory");
	TRY(claim_given_or_made(m->machines, s, e));
	r = write_files(m->dirfd, s, e);
	if (r == 0 && (renameat(m->machines, tmp, m->machines, s->id) < 0 ||
		       fsync(m->machines) < 0))
		r = fail_errno(e, "make machine '%s'", s->name);
	if (r < 0)
		name_release(m->machines, s->name, s->id);
	return r;
}

int machine_create(const struct vm_env *env, struct spec *s, struct machine **ret,
		   struct volt_error *e)
{
	_cleanup_(machine_closep) struct machine *m = machine_new(env);
	_cleanup_close_ int lock = -1;
	char tmp[TMP_NAME_SIZE];
	int r;

	if (!m)
		return fail_oom(e);
	m->machines = machines_open(env, e);
	if (m->machines < 0)
		return m->machines;
	r = s->id[0] ? 0 : random_hex(s->id, 32);
	if (r == 0)
		r = tmp_name(tmp);
	if (r < 0)
		return fail_code(e, r, "choose an id");
	if (!s->created_at)
		s->created_at = clock_wall();
	lock = machines_lock(m->machines, e);
	if (lock < 0)
		return lock;
	sweep(m->machines);
	r = make(m, tmp, s, e);
	if (r < 0) {
		(void)remove_tree_at(m->machines, tmp);
		return r;
	}
	memcpy(m->id, s->id, sizeof(m->id));
	set_who(m, s->name);
	*ret = TAKE_PTR(m);
	return 0;
}

/* --- finding --- */

int machine_open_id(const struct vm_env *env, const char *id, struct machine **ret,
		    struct volt_error *e)
{
	_cleanup_(machine_closep) struct machine *m = NULL;

	if (!is_id(id))
		return fail(e, EINVAL, "'%.80s' is not a machine's id", id);
	m = machine_new(env);
	if (!m)
		return fail_oom(e);
	m->machines = machines_open(env, e);
	if (m->machines < 0)
		return m->machines;
	memcpy(m->id, id, sizeof(m->id));
	(void)snprintf(m->who, sizeof(m->who), "%.12s", m->id);
	m->dirfd =
		openat(m->machines, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (m->dirfd < 0)
		return errno == ENOENT ? fail(e, EIDRM, "no machine '%.12s'", id)
				       : fail_errno(e, "open machine '%.12s'", id);
	*ret = TAKE_PTR(m);
	return 0;
}

/* The one machine whose id begins with @prefix. */
static int prefix_lookup(int machines, const char *prefix,
			 char id[static DIGEST_HEX_SIZE])
{
	_cleanup_closedir_ DIR *d = NULL;
	size_t size = strlen(prefix), found = 0;
	struct dirent *de;
	int fd;

	if (size == 0 || strspn(prefix, "0123456789abcdef") != size)
		return -ENOENT;
	fd = openat(machines, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		(void)close(fd);
		return -ENOMEM;
	}
	while ((de = readdir(d))) {
		if (strncmp(de->d_name, prefix, size) != 0 || !is_id(de->d_name))
			continue;
		memcpy(id, de->d_name, DIGEST_HEX_SIZE);
		found++;
	}
	return found == 1 ? 0 : found ? -ENOTUNIQ : -ENOENT;
}

int machine_open(const struct vm_env *env, const char *who, struct machine **ret,
		 struct volt_error *e)
{
	_cleanup_close_ int machines = machines_open(env, e);
	char id[DIGEST_HEX_SIZE];
	int r = -ENOENT;

	if (machines < 0)
		return machines;
	/* Only what could be a name ever reaches the file system. A whole id is no name. */
	if (name_is_valid(who) && !is_id(who))
		r = name_lookup(machines, who, id);
	if (r == -ENOENT)
		r = prefix_lookup(machines, who, id);
	if (r == -ENOENT)
		return fail(e, ENOENT, "no machine '%.130s'", who);
	if (r == -ENOTUNIQ)
		return fail(e, ENOTUNIQ, "more than one machine's id begins with '%s'",
			    who);
	if (r < 0)
		return fail_code(e, r, "find machine '%s'", who);
	r = machine_open_id(env, id, ret, e);
	/* A claim without a machine is not a machine. */
	if (r == -EIDRM)
		return fail(e, ENOENT, "no machine '%.130s'", who);
	if (r == 0)
		set_who(*ret, who);
	return r;
}

int machine_spec(struct machine *m, const struct spec **ret, struct volt_error *e)
{
	json_auto_t *j = NULL;
	int r;

	if (!m->spec) {
		r = json_read_at(m->dirfd, "machine.json", &j, e);
		if (r == 0)
			r = spec_parse(j, SPEC_STORED, &m->spec, e);
		if (r < 0)
			return machine_verdict(m, fail_in(e, r, "machine '%.12s'", m->id),
					       e);
	}
	*ret = m->spec;
	return 0;
}

/* Could its supervisor be dead? Only then is the lock looked at. */
static bool has_supervisor(const struct state *st)
{
	switch (st->status) {
	case STATUS_CREATED:
		return false;
	case STATUS_EXITED:
	case STATUS_FAILED:
		return st->rm; /* it ought to have been removed */
	default:
		return true;
	}
}

int machine_state(struct machine *m, struct state *ret, struct volt_error *e)
{
	_cleanup_(state_done) struct state st = { 0 };
	int r;

	r = state_read(m->dirfd, &st, e);
	if (r == 0 && has_supervisor(&st) && lock_test(m->dirfd, MACHINE_LOCK) == 0) {
		TRY(machine_repair(m, e));
		state_done(&st);
		r = state_read(m->dirfd, &st, e);
	}
	if (r < 0)
		return machine_verdict(m, fail_in(e, r, "machine '%.12s'", m->id), e);
	*ret = st;
	st = (struct state){ 0 };
	return 0;
}

static bool run_is_alive(const struct state *st)
{
	return st->status == STATUS_RUNNING || st->status == STATUS_PAUSED;
}

/* Where a VNC client finds the screen. */
static void add_vnc(const struct machine *m, json_t *j)
{
	char link[64], dir[PATH_MAX];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", m->env->runfd);
	n = readlink(link, dir, sizeof(dir) - 1);
	if (n > 0)
		(void)json_object_set_new(
			j, "vnc", json_sprintf("%.*s/%s/" VNC_NAME, (int)n, dir, m->id));
}

/* All of them in one place, as far as they are known: before the first start a machine has
 * no kernel and no QEMU. */
static json_t *digests(const struct spec *s, const struct state *st)
{
	static const struct digest none;
	const struct {
		const char *key;
		struct digest digest;
	} all[] = { { "image", s->image.digest },
		    { "rootfs", s->image.tree },
		    { "kernel", st->pins.kernel_image },
		    { "initramfs", st->pins.initramfs },
		    { "profile", st->pins.profile_digest } };
	json_t *j = json_object();
	char text[DIGEST_OCI_SIZE];
	int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (!digest_equal(&all[i].digest, &none))
			bad |= json_object_set_new(
				j, all[i].key,
				json_string(digest_oci(&all[i].digest, text)));
	if (bad) {
		json_decref(j);
		return NULL;
	}
	return j;
}

int machine_inspect(struct machine *m, json_t **ret, struct volt_error *e)
{
	_cleanup_(state_done) struct state st = { 0 };
	const struct spec *s;
	json_t *j;

	TRY(machine_state(m, &st, e));
	TRY(machine_spec(m, &s, e));
	j = json_pack("{s:o, s:o, s:o}", "spec", spec_to_json(s), "state",
		      state_to_json(&st), "digests", digests(s, &st));
	/* TCG is no boundary against a hostile guest, and is never called one. */
	if (j && st.accel != ACCEL_AUTO &&
	    json_object_set_new(
		    j, "isolation",
		    json_string(st.accel == ACCEL_KVM ? "hardware" : "emulated")) < 0)
		json_decref(TAKE_PTR(j));
	if (j && s->guest == GUEST_DISK && run_is_alive(&st))
		add_vnc(m, j);
	if (!j)
		return fail_oom(e);
	*ret = j;
	return 0;
}

/* --- listing --- */

void machine_list_done(struct machine_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		state_done(&l->v[i]);
	free(l->v);
	*l = (struct machine_list){ 0 };
}

static int list_one(const struct vm_env *env, int machines, const char *id,
		    struct state *ret, struct volt_error *e)
{
	char path[DIGEST_HEX_SIZE + 16];
	json_auto_t *j = NULL;

	(void)snprintf(path, sizeof(path), "%.64s/state.json", id);
	TRY(json_read_at(machines, path, &j, e));
	TRY(state_parse(j, ret, e));
	(void)snprintf(path, sizeof(path), "%.64s/" MACHINE_LOCK, id);
	if (has_supervisor(ret) && lock_test(machines, path) == 0) {
		_cleanup_(machine_closep) struct machine *m = NULL;

		state_done(ret);
		TRY(machine_open_id(env, id, &m, e));
		return machine_state(m, ret, e);
	}
	return 0;
}

static int list_add(struct machine_list *l, const struct state *st)
{
	struct state *v = l->v;

	if ((l->n & (l->n - 1)) == 0)
		v = reallocarray(v, l->n ? l->n * 2 : 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	l->v = v;
	l->v[l->n++] = *st;
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct state *x = a, *y = b;

	if (x->created_at != y->created_at)
		return x->created_at < y->created_at ? 1 : -1;
	return strcmp(x->id, y->id);
}

static int list_dir(const struct vm_env *env, int machines, DIR *d,
		    struct machine_list *l, struct volt_error *e)
{
	struct volt_error why = { 0 };
	bool remains = false;
	struct dirent *de;
	int r;

	while ((de = readdir(d))) {
		struct state st = { 0 };

		remains |= strncmp(de->d_name, TMP_PREFIX, strlen(TMP_PREFIX)) == 0;
		if (!is_id(de->d_name))
			continue;
		r = list_one(env, machines, de->d_name, &st, &why);
		if (r < 0 && r != -ENOENT && r != -EIDRM)
			log_line(env->log, 4, "%s", why.msg);
		if (r < 0)
			continue;
		if (list_add(l, &st) < 0) {
			state_done(&st);
			return fail_oom(e);
		}
	}
	if (remains) {
		_cleanup_close_ int lock =
			lock_open(machines, "lock", LOCK_EXCLUSIVE, false);

		if (lock >= 0)
			sweep(machines);
	}
	return 0;
}

int machine_list(const struct vm_env *env, struct machine_list *ret, struct volt_error *e)
{
	_cleanup_(machine_list_done) struct machine_list l = { 0 };
	_cleanup_close_ int machines = machines_open(env, e);
	_cleanup_closedir_ DIR *d = NULL;
	int fd;

	if (machines < 0)
		return machines;
	fd = openat(machines, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d) {
		if (fd >= 0)
			(void)close(fd);
		return fail_errno(e, "list machines");
	}
	TRY(list_dir(env, machines, d, &l, e));
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), newest_first);
	*ret = l;
	l = (struct machine_list){ 0 };
	return 0;
}

/* --- removing --- */

int machine_erase(struct machine *m, const struct state *st, struct volt_error *e)
{
	_cleanup_close_ int lock = machines_lock(m->machines, e);
	char tmp[TMP_NAME_SIZE];
	int r;

	if (lock < 0)
		return lock;
	machine_leave_status(m, st);
	r = tmp_name(tmp);
	if (r == 0 && renameat(m->machines, m->id, m->machines, tmp) < 0)
		r = errno == ENOENT ? 0 : -errno;
	if (r == 0) /* or a loss of power could bring back half of it */
		r = sync_dir(m->machines);
	if (r < 0)
		return fail_code(e, r, "remove machine '%.12s'", m->id);
	name_release(m->machines, st->name ? st->name : "", m->id);
	r = remove_tree_at(m->machines, tmp);
	return r < 0 ? fail_code(e, r, "remove machine '%.12s'", m->id) : 0;
}
