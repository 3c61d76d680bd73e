/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The child is made by fork() and lives only until its execve(). Between the two it does
 * nothing but system calls on memory prepared by the parent (the caller may have threads,
 * so malloc() is not to be touched). A close-on-exec pipe tells the parent of a failure
 * before or in execve(): errno and the step, or end of file when the program runs. So
 * "no such program" is reported as that, not as an exit status.
 */

#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/io.h"
#include "base/strv.h"

#define SEARCH_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define STDERR_MAX  4096

#define STEP_NONE (-1)

struct report {
	int code; /* negative errno */
	int step; /* jail.c's, or STEP_NONE */
};

struct child {
	const struct spawn *s;
	const struct jail_plan *jail;
	const char *path;
	char *const *env;
	int in, out, err, report;
	pid_t parent;
};

static int find_program(const char *name, char **ret, struct volt_error *e)
{
	const char *path = SEARCH_PATH;

	if (strchr(name, '/')) {
		*ret = strdup(name);
		return *ret ? 0 : fail_oom(e);
	}
	while (*path) {
		size_t n = strcspn(path, ":");
		char *full = NULL;

		if (asprintf(&full, "%.*s/%s", (int)n, path, name) < 0)
			return fail_oom(e);
		if (access(full, X_OK) == 0) {
			*ret = full;
			return 0;
		}
		free(full);
		path += n + (path[n] == ':');
	}
	return fail(e, ENOENT, "program '%s' is not installed (looked in %s)", name,
		    SEARCH_PATH);
}

/* What programs volt runs may see of its own environment. */
static bool is_passed_on(const char *assignment)
{
	static const char *const kept[] = {
		"HOME=",
		"USER=",
		"LOGNAME=",
		"TMPDIR=",
		"XDG_",
		"http_proxy=",
		"https_proxy=",
		"no_proxy=",
		"all_proxy=",
		"HTTP_PROXY=",
		"HTTPS_PROXY=",
		"NO_PROXY=",
		"ALL_PROXY=",
		"SSL_CERT_",
		"REGISTRY_AUTH_FILE=",
		"DBUS_SESSION_BUS_ADDRESS=",
	};

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (strncmp(assignment, kept[i], strlen(kept[i])) == 0)
			return true;
	return false;
}

static int clean_environment(struct strv *env)
{
	int r = strv_add(env, "PATH=" SEARCH_PATH);

	if (r == 0)
		r = strv_add(env, "LANG=C.UTF-8");
	for (char **v = environ; r == 0 && v && *v; v++)
		if (is_passed_on(*v))
			r = strv_add(env, *v);
	return r;
}

/* Closes every descriptor but 0-2, the report pipe and the kept ones: the gaps between
 * them, found by walking upwards from one kept number to the next. */
static int close_others(const struct child *c)
{
	unsigned int from = 3;

	for (;;) {
		unsigned int next = UINT32_MAX;

		for (size_t i = 0; i <= c->s->n_keep_fds; i++) {
			int fd = i < c->s->n_keep_fds ? c->s->keep_fds[i] : c->report;

			if (fd >= (int)from && (unsigned int)fd < next)
				next = fd;
		}
		if (next > from && syscall(SYS_close_range, from, next - 1, 0) < 0)
			return -errno;
		if (next == UINT32_MAX)
			return 0;
		from = next + 1;
	}
}

static void reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int become(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

/* Not beyond what the caller itself is limited to. */
static int limit_files(uint64_t max)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_FSIZE, &l) < 0)
		return -1;
	if (max < l.rlim_cur)
		l.rlim_cur = max;
	return setrlimit(RLIMIT_FSIZE, &l);
}

/* No boundary: for a program that insists on what it cannot have, or need not do. */
static int ignore_call(long number)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Where and who it is. */
static int child_settle(struct child *c, int *ret_step)
{
	int r;

	if (!c->jail)
		return c->s->uid ? become(c->s->uid, c->s->gid) : 0;
	r = jail_enter(c->jail, ret_step);
	r = r ?: jail_drop(c->jail, ret_step);
	if (r == 0)
		*ret_step = STEP_NONE;
	return r;
}

static int child_setup(struct child *c)
{
	/* After that: the kernel forgets the request where a process changes its user. */
	if (c->s->die_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (c->s->die_with_parent && getppid() != c->parent)
		return -ESRCH; /* it died before the request */
	if (c->s->own_group && setpgid(0, 0) < 0)
		return -errno;
	/* Out of the way of 0-2 first, so that placing one cannot overwrite another. */
	c->in = fcntl(c->in, F_DUPFD_CLOEXEC, 3);
	c->out = fcntl(c->out, F_DUPFD_CLOEXEC, 3);
	c->err = fcntl(c->err, F_DUPFD_CLOEXEC, 3);
	if (c->in < 0 || c->out < 0 || c->err < 0 || dup2(c->in, 0) < 0 ||
	    dup2(c->out, 1) < 0 || dup2(c->err, 2) < 0)
		return -errno;
	if (c->s->cwd >= 0 && fchdir(c->s->cwd) < 0)
		return -errno;
	if (c->s->max_file > 0 && limit_files(c->s->max_file) < 0)
		return -errno;
	if (c->s->ignored_call > 0 && ignore_call(c->s->ignored_call) < 0)
		return -errno;
	for (size_t i = 0; i < c->s->n_keep_fds; i++)
		if (fcntl(c->s->keep_fds[i], F_SETFD, 0) < 0)
			return -errno;
	return 0;
}

static void __attribute__((noreturn)) child_run(struct child *c)
{
	struct report report = { .step = STEP_NONE };

	reset_signals();
	report.code = child_settle(c, &report.step);
	if (report.code == 0)
		report.code = child_setup(c);
	/* The copies made above lie above every kept number or in a gap: closed here. */
	if (report.code == 0)
		report.code = close_others(c);
	if (report.code == 0) {
		(void)execve(c->path, (char *const *)c->s->argv, c->env);
		report.code = -errno;
	}
	(void)write_all(c->report, &report, sizeof(report));
	_exit(127);
}

/* Neither end is 0-2, also where the caller has closed those: a child gets its own there. */
static int open_pipe(int *ret_read, int *ret_write, struct volt_error *e)
{
	_cleanup_close_ int low_read = -1, low_write = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail_errno(e, "make a pipe");
	if (ends[0] > 2 && ends[1] > 2) {
		*ret_read = ends[0];
		*ret_write = ends[1];
		return 0;
	}
	low_read = ends[0];
	low_write = ends[1];
	*ret_read = fcntl(low_read, F_DUPFD_CLOEXEC, 3);
	*ret_write = fcntl(low_write, F_DUPFD_CLOEXEC, 3);
	return *ret_read < 0 || *ret_write < 0 ? fail_errno(e, "make a pipe") : 0;
}

static int wait_for_exec(int from, const struct child *c, struct volt_error *e)
{
	struct report report;
	ssize_t n = read_full(from, &report, sizeof(report));

	if (n == 0)
		return 0;
	if (n != sizeof(report))
		return fail(e, EIO, "start '%s': no word from the child", c->path);
	if (report.step != STEP_NONE)
		return fail_in(e, jail_fail(c->jail, report.step, report.code, e),
			       "start '%s'", c->path);
	return fail_code(e, report.code, "start '%s'", c->path);
}

/* Signals wait meanwhile: the caller's handlers are not to run in the child. */
static pid_t fork_child(struct child *c)
{
	sigset_t all, old;
	pid_t pid;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0)
		child_run(c);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return pid;
}

static int start_child(struct child *c, pid_t *ret_pid, int *ret_pidfd,
		       struct volt_error *e)
{
	_cleanup_close_ int read_end = -1, write_end = -1;
	int r, status;
	pid_t pid;

	r = open_pipe(&read_end, &write_end, e);
	if (r < 0)
		return fail_in(e, r, "start '%s'", c->path);
	c->report = write_end;
	c->parent = getpid();
	pid = fork_child(c);
	if (pid < 0)
		return fail_errno(e, "start '%s': fork", c->path);
	closep(&write_end);
	write_end = -1;
	r = wait_for_exec(read_end, c, e);
	if (r == 0 && ret_pidfd) {
		*ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (*ret_pidfd < 0) {
			r = fail_errno(e, "start '%s': pidfd", c->path);
			(void)kill(pid, SIGKILL);
		}
	}
	if (r < 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		return r;
	}
	*ret_pid = pid;
	return 0;
}

int spawn_start(const struct spawn *s, pid_t *ret_pid, int *ret_pidfd,
		struct volt_error *e)
{
	_cleanup_(jail_plan_freep) struct jail_plan *jail = NULL;
	_cleanup_free_ char *path = NULL;
	_cleanup_strv_ struct strv env = { 0 };
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct child c = { .s = s };
	int r;

	if (null < 0)
		return fail_errno(e, "open /dev/null");
	r = find_program(s->argv[0], &path, e);
	if (r < 0)
		return r;
	if (!s->env && clean_environment(&env) < 0)
		return fail_oom(e);
	if (s->jail) {
		r = jail_plan_new(s->jail, s->uid, s->gid, &jail, e);
		if (r < 0)
			return r;
	}
	c.jail = jail;
	c.path = path;
	c.env = s->env ? (char *const *)s->env : env.v;
	c.in = s->in >= 0 ? s->in : null;
	c.out = s->out >= 0 ? s->out : null;
	c.err = s->err >= 0 ? s->err : null;
	return start_child(&c, ret_pid, ret_pidfd, e);
}

/* Bounded collection of one of the child's outputs. */
struct collect {
	int fd;
	char *data;
	size_t size, max;
	bool keep_tail; /* when full, the oldest bytes go, instead of failing */
};

static int collect_some(struct collect *c)
{
	char buf[4096];
	ssize_t n = read(c->fd, buf, sizeof(buf));
	char *more;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	if (n == 0)
		return 0;
	if (c->size + n > c->max && c->keep_tail) {
		size_t drop = c->size < (size_t)n ? c->size : (size_t)n;

		memmove(c->data, c->data + drop, c->size - drop);
		c->size -= drop;
	}
	if (c->size + n > c->max)
		return -EFBIG;
	more = realloc(c->data, c->size + n + 1);
	if (!more)
		return -ENOMEM;
	c->data = more;
	memcpy(c->data + c->size, buf, n);
	c->size += n;
	c->data[c->size] = 0;
	return 1;
}

/* Until both ends are closed. */
static int collect_both(const struct spawn *s, struct collect *c, struct volt_error *e)
{
	struct pollfd p[3] = { { c[0].fd, POLLIN, 0 },
			       { c[1].fd, POLLIN, 0 },
			       { s->watch ? s->watched : -1, POLLIN, 0 } };
	int r = 0;

	while (r >= 0 && (p[0].fd >= 0 || p[1].fd >= 0)) {
		int n = poll(p, 3, -1);

		if (n < 0 && errno != EINTR)
			r = -errno;
		for (int i = 0; i < 2 && n > 0 && r >= 0; i++) {
			r = p[i].fd >= 0 && p[i].revents ? collect_some(&c[i]) : 1;
			if (r == 0)
				p[i].fd = -1;
		}
		if (r < 0)
			return fail_code(e, r, "read what '%s' prints", s->argv[0]);
		if (n > 0 && s->watch && p[2].revents)
			r = s->watch(s->watch_data, e);
	}
	return r < 0 ? r : 0;
}

void redact_urls(char *s)
{
	char *url, *end, *at;

	for (url = strstr(s, "://"); url; url = strstr(url + 3, "://")) {
		end = url + 3 + strcspn(url + 3, "/ \t\"'");
		at = memrchr(url + 3, '@', end - url - 3);
		if (at)
			memset(url + 3, '*', at - url - 3);
	}
}

/* The last line that says anything. */
static char *last_line(char *s)
{
	char *line = s, *p;
	size_t n = strlen(s);

	while (n > 0 && strchr(" \t\r\n", s[n - 1]))
		s[--n] = 0;
	for (p = s; *p; p++)
		if (*p == '\n' && p[1])
			line = p + 1;
	redact_urls(line);
	return line;
}

static int wait_status(pid_t pid, const char *program, char *errors, struct volt_error *e)
{
	const char *line = errors ? last_line(errors) : "";
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail_errno(e, "wait for '%s'", program);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return fail(e, EIO, "'%s' was killed by signal %d", program,
			    WTERMSIG(status));
	return fail(e, EIO, "'%s' failed (status %d)%s%s", program, WEXITSTATUS(status),
		    *line ? ": " : "", line);
}

int spawn_run(const struct spawn *s, size_t max_out, char **ret_out, struct volt_error *e)
{
	_cleanup_close_ int out_read = -1, out_write = -1, err_read = -1, err_write = -1;
	_cleanup_free_ char *out = NULL, *errors = NULL;
	struct collect c[2];
	struct spawn own = *s;
	pid_t pid;
	int r, r2;

	if (s->out < 0 && ret_out && (r = open_pipe(&out_read, &out_write, e)) < 0)
		return r;
	if (s->err < 0 && (r = open_pipe(&err_read, &err_write, e)) < 0)
		return r;
	own.out = s->out >= 0 ? s->out : out_write;
	own.err = s->err >= 0 ? s->err : err_write;
	r = spawn_start(&own, &pid, NULL, e);
	if (r < 0)
		return r;
	closep(&out_write);
	closep(&err_write);
	out_write = err_write = -1;

	c[0] = (struct collect){ .fd = out_read, .max = max_out };
	c[1] = (struct collect){ .fd = err_read, .max = STDERR_MAX, .keep_tail = true };
	r = collect_both(s, c, e);
	out = c[0].data;
	errors = c[1].data;
	if (r < 0)
		(void)kill(pid, SIGKILL);
	r2 = wait_status(pid, s->argv[0], errors, r < 0 ? NULL : e);
	if (r < 0 || r2 < 0)
		return r < 0 ? r : r2;
	if (ret_out) {
		if (!out && !(out = strdup("")))
			return fail_oom(e);
		*ret_out = TAKE_PTR(out);
	}
	return 0;
}
