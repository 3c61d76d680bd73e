/* SPDX-License-Identifier: Apache-2.0 */
#include "image/skopeo-process.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/spawn.h"

#define LOG_MAX ((size_t)64 << 10)

int skopeo_process_start(struct skopeo_process *p, const struct strv *args, int cwd,
			 int keep, struct volt_error *e)
{
	struct spawn s = SPAWN_INIT;

	/* In memory: on a full disk there would be no room for why it failed. */
	p->log = memfd_create("skopeo", MFD_CLOEXEC);
	if (p->log < 0)
		return fail_errno(e, "make a place for the messages of 'skopeo'");
	s.argv = (const char *const *)args->v;
	s.err = p->log;
	s.cwd = cwd;
	s.keep_fds = &keep;
	s.n_keep_fds = keep >= 0 ? 1 : 0;
	s.die_with_parent = true;
	return spawn_start(&s, &p->pid, &p->pidfd, e);
}

/* The last line it wrote that says anything. */
static int explain(const struct skopeo_process *p, int status, struct volt_error *e)
{
	_cleanup_free_ char *text = NULL;
	char *line;
	size_t n;

	if (WIFSIGNALED(status))
		return fail(e, EIO, "'skopeo' was killed by signal %d", WTERMSIG(status));
	if (lseek(p->log, 0, SEEK_SET) < 0 || read_all(p->log, LOG_MAX, &text, &n) < 0)
		return fail(e, EIO, "'skopeo' failed (status %d)", WEXITSTATUS(status));
	while (n > 0 && strchr(" \t\r\n", text[n - 1]))
		text[--n] = '\0';
	if (n == 0)
		return fail(e, EIO, "'skopeo' failed (status %d) and did not say why",
			    WEXITSTATUS(status));
	line = strrchr(text, '\n');
	return skopeo_explain(line ? line + 1 : text, e);
}

int skopeo_process_end(struct skopeo_process *p, struct volt_error *e)
{
	int status;

	while (waitpid(p->pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail_errno(e, "wait for 'skopeo'");
	p->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return explain(p, status, e);
}

void skopeo_process_stop(struct skopeo_process *p)
{
	if (p->pid > 0) {
		(void)kill(p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
		p->pid = 0;
	}
	closep(&p->pidfd);
	closep(&p->log);
	p->pidfd = p->log = -1;
}
