/* SPDX-License-Identifier: Apache-2.0 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "init.h"
#include "user.h"

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define FILES_MAX    1048576 /* open files, as podman gives */

/* Everything below runs in the child. */

static void give_up(int status, int code, const struct why *w)
{
	struct launch_failure f = { .code = code };

	(void)snprintf(f.text, sizeof(f.text), "%s", w->text);
	(void)!write(status, &f, sizeof(f));
	_exit(code);
}

static bool has_variable(const struct list *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t k = 0; k < env->n; k++)
		if (strncmp(env->v[k], name, n) == 0 && env->v[k][n] == '=')
			return true;
	return false;
}

static int default_variable(struct list *env, const char *name, const char *value)
{
	char text[PATH_MAX];
	int n = snprintf(text, sizeof(text), "%s=%s", name, value);

	if (has_variable(env, name) || n < 0 || (size_t)n >= sizeof(text))
		return 0;
	return list_add(env, text, (size_t)n);
}

/* Of a name given twice the last counts. */
static int make_environment(const struct process_wish *p, const struct user *u,
			    struct list *env)
{
	char host[HOST_NAME_MAX + 1] = "";
	int r = 0;

	for (size_t k = p->env.n; r == 0 && k-- > 0;) {
		char name[256];
		size_t n = strcspn(p->env.v[k], "=");

		(void)snprintf(name, sizeof(name), "%.*s", (int)n, p->env.v[k]);
		if (n >= sizeof(name) || !has_variable(env, name))
			r = list_add(env, p->env.v[k], strlen(p->env.v[k]));
	}
	for (size_t k = 0; k < env->n / 2; k++) {
		char *last = env->v[env->n - 1 - k];

		env->v[env->n - 1 - k] = env->v[k];
		env->v[k] = last;
	}
	(void)gethostname(host, sizeof(host) - 1);
	if (r < 0 || (r = default_variable(env, "PATH", PATH_DEFAULT)) < 0 ||
	    (r = default_variable(env, "HOSTNAME", host)) < 0 ||
	    (p->tty && (r = default_variable(env, "TERM", "xterm")) < 0))
		return r;
	return default_variable(env, "HOME", u->home);
}

static int use_terminal(const struct launch_ends *e, struct why *w)
{
	int fd = open(e->terminal, O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) < 0 || dup2(fd, 0) < 0 || dup2(fd, 1) < 0 ||
	    dup2(fd, 2) < 0)
		return because(w, -errno, "open the terminal");
	return 0;
}

static int use_streams(const struct launch_ends *e, struct why *w)
{
	if (e->terminal)
		return use_terminal(e, w);
	if (dup2(e->in, 0) < 0 || dup2(e->out, 1) < 0 || dup2(e->err, 2) < 0)
		return because(w, -errno, "set up the streams");
	return 0;
}

static void reset_process(void)
{
	static const struct rlimit files = { FILES_MAX, FILES_MAX };
	sigset_t none;

	/* Init blocks signals and ignores SIGPIPE; a program expects neither. */
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setrlimit(RLIMIT_NOFILE, &files);
	(void)umask(0022);
	(void)setsid();
}

/* The streams belong to whoever uses them: a program may open /dev/stdout anew. */
static void own_streams(const struct user *u)
{
	struct stat st;

	for (int fd = 0; fd < 3 && u->uid != 0; fd++)
		if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || isatty(fd)))
			(void)!fchown(fd, u->uid, (gid_t)-1);
}

static int become(const struct process_wish *p, const struct user *u, struct why *w)
{
	const char *cwd = p->cwd ? p->cwd : "/";

	own_streams(u);
	if (setgroups(u->n_groups, u->groups) < 0 || setgid(u->gid) < 0)
		return because(w, -errno, "take on the groups of '%s'", p->user);
	if (chdir(cwd) < 0 && (make_directories(cwd) < 0 || chdir(cwd) < 0))
		return because(w, -errno, "working directory '%s'", cwd);
	if (setuid(u->uid) < 0)
		return because(w, -errno, "take on the user '%s'", p->user);
	return 0;
}

static int failed_exec(const char *file, struct why *w)
{
	int r = -errno;

	(void)because(w, r, "exec '%.300s'", file);
	return r == -ENOENT || r == -ENOTDIR ? 127 : 126;
}

/* As execvp() does it, but with the PATH of the new environment. */
static int search_and_exec(char **argv, char **env, struct why *w)
{
	const char *path = PATH_DEFAULT, *end;
	bool denied = false;
	char file[PATH_MAX];

	for (char **e = env; *e; e++)
		if (strncmp(*e, "PATH=", 5) == 0)
			path = *e + 5;
	for (;; path = end + 1) {
		end = strchrnul(path, ':');
		(void)snprintf(file, sizeof(file), "%.*s%s%s", (int)(end - path), path,
			       end > path ? "/" : "./", argv[0]);
		(void)execve(file, argv, env);
		if (errno == EACCES)
			denied = true;
		else if (errno != ENOENT && errno != ENOTDIR)
			return failed_exec(file, w);
		if (!*end)
			break;
	}
	(void)because(w, denied ? -EACCES : -ENOENT,
		      "executable file '%.200s' not %s in $PATH", argv[0],
		      denied ? "executable" : "found");
	return denied ? 126 : 127;
}

static int run(char **argv, char **env, struct why *w)
{
	if (!strchr(argv[0], '/'))
		return search_and_exec(argv, env, w);
	(void)execve(argv[0], argv, env);
	return failed_exec(argv[0], w);
}

static void child(const struct process_wish *p, const struct launch_ends *ends,
		  int status)
{
	struct list env = { 0 };
	struct why w = { "" };
	struct user u;

	reset_process();
	if (use_streams(ends, &w) < 0 || user_lookup(p->user, &u, &w) < 0)
		give_up(status, 125, &w);
	if (make_environment(p, &u, &env) < 0) {
		(void)because(&w, -ENOMEM, "make the environment");
		give_up(status, 125, &w);
	}
	if (become(p, &u, &w) < 0)
		give_up(status, 125, &w);
	give_up(status, run(p->args.v, env.v, &w), &w);
}

int launch(const struct process_wish *p, const struct launch_ends *ends, pid_t *ret_pid,
	   int *ret_status)
{
	int status[2];
	pid_t pid;

	if (pipe2(status, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		child(p, ends, status[1]);
	(void)close(status[1]);
	if (pid < 0) {
		(void)close(status[0]);
		return -EAGAIN;
	}
	*ret_pid = pid;
	*ret_status = status[0];
	return 0;
}
