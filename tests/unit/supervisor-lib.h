/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/strv.h"
#include "tap.h"
#include "vm/attach-internal.h"
#include "vm/control.h"
#include "vm/handover.h"
#include "vm/logs.h"
#include "vm/machine-internal.h"
#include "vm/supervisor.h"

/* The real supervisor with the scripted stand-in for QEMU. What the process that starts a
 * machine would have prepared from the store (kernel, root) are empty files here. */
static char top[] = "/tmp/volt-test-XXXXXX";
static struct vm_env env;
static int empty = -1, errors = -1;       /* errors: what supervisors write to stderr */
static const char *const *supervisor_env; /* NULL: what spawn_start() gives */

static inline int set_up(void)
{
	char path[64], link[64];

	if (!mkdtemp(top))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/root", top);
	env.rootfd = mkdir_open(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/run", top);
	env.runfd = mkdir_open(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/qemu", top);
	(void)mkdir(path, 0700);
	(void)snprintf(link, sizeof(link), "%s/qemu/qemu-system-x86_64", top);
	env.supervisor = SUPERVISOR;
	empty = open("/dev/null", O_RDONLY | O_CLOEXEC);
	errors = open(top, O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	return symlink(FAKE_QEMU, link);
}

static inline void tear_down(void)
{
	const char *slash = strrchr(top, '/');
	int tmp = open("/tmp", O_PATH | O_DIRECTORY);

	(void)remove_tree_at(tmp, slash + 1);
	(void)close(tmp);
	(void)close(env.rootfd);
	(void)close(env.runfd);
	(void)close(empty);
	(void)close(errors);
}

/* A machine whose workload is a script of fake-qemu's, with members added to its spec. */
static inline struct machine *make(const char *name, const char *members,
				   const char *script)
{
	_cleanup_free_ char *text = NULL, *copy = strdup(script);
	_cleanup_(spec_freep) struct spec *s = NULL;
	struct volt_error e = { 0 };
	json_auto_t *j = NULL;
	struct machine *m = NULL;
	char *save, *word;

	if (asprintf(&text,
		     "{\"image\":{\"ref\":\"test\"},\"name\":\"%s\",\"accel\":\"tcg\","
		     "\"arch\":\"x86_64\",\"network\":{\"mode\":\"none\"}%s%s}",
		     name, *members ? "," : "", members) < 0 ||
	    json_parse(text, strlen(text), "spec", &j, &e) < 0 ||
	    spec_parse(j, SPEC_WISH, &s, &e) < 0) {
		printf("# %s\n", e.msg);
		return NULL;
	}
	s->image.name = strdup("localhost/test:latest");
	memset(&s->image.digest, 1, sizeof(struct digest));
	memset(&s->image.config, 2, sizeof(struct digest));
	memset(&s->image.tree, 3, sizeof(struct digest));
	(void)strv_add(&s->process.args, "fake");
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		(void)strv_add(&s->process.args, word);
	s->process.cwd = strdup("/");
	s->process.user = strdup("");
	s->process.stop_signal = SIGTERM;
	if (machine_create(&env, s, &m, &e) < 0)
		printf("# %s\n", e.msg);
	return m;
}

/* The stand-in as a QEMU of no profile. */
static inline int hand_over(void)
{
	char name[] = "test", qemu[64];
	struct profile p = { .name = name,
			     .arch = profile_arch_find("x86_64"),
			     .root = -1,
			     .lock = -1,
			     .qemu = qemu,
			     .capabilities = PROFILE_CAN_MICROVM };
	const struct handover h = { .kvm = &p, .emulate = &p };

	(void)snprintf(qemu, sizeof(qemu), "%s/qemu/qemu-system-x86_64", top);
	return handover_write(&h, NULL);
}

struct started {
	struct start_report report;
	struct attach *attach;
	int status_fd;
};

/* As machine_start(), but with files that are there. */
static inline int start(struct machine *m, const char *const *options,
			struct started *ret, bool attached)
{
	int status[2], pair[2] = { -1, -1 }, keep[6];
	_cleanup_strv_ struct strv argv = { 0 };
	struct spawn s = SPAWN_INIT;
	struct volt_error e;
	pid_t pid;
	int r;

	*ret = (struct started){ .status_fd = -1 };
	if (pipe2(status, O_CLOEXEC) < 0)
		return -errno;
	(void)strv_add(&argv, env.supervisor);
	(void)strv_addf(&argv, "--root-fd=%d", keep[0] = env.rootfd);
	(void)strv_addf(&argv, "--run-fd=%d", keep[1] = env.runfd);
	(void)strv_addf(&argv, "--status-fd=%d", keep[2] = status[1]);
	(void)strv_addf(&argv, "--kernel-fd=%d", keep[3] = empty);
	(void)strv_addf(&argv, "--rootdisk-fd=%d", empty);
	(void)strv_addf(&argv, "--handover-fd=%d", keep[4] = hand_over());
	s.n_keep_fds = 5;
	if (attached && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
		(void)strv_addf(&argv, "--attach-fd=%d", keep[5] = pair[1]);
		(void)strv_add(&argv, "--attach-stdin");
		s.n_keep_fds = 6;
	}
	for (; options && *options; options++)
		(void)strv_add(&argv, *options);
	(void)strv_add(&argv, machine_id(m));
	s.argv = (const char *const *)argv.v;
	s.keep_fds = keep;
	s.env = supervisor_env;
	s.err = errors;
	r = spawn_start(&s, &pid, NULL, &e);
	(void)close(status[1]);
	(void)close(keep[4]);
	closep(&pair[1]);
	if (r < 0)
		return r;
	(void)waitpid(pid, NULL, 0);
	ret->status_fd = status[0];
	return attached ? attach_new(pair[0], &ret->attach, &e) : 0;
}

static inline int report(struct started *s)
{
	if (read_full(s->status_fd, &s->report, sizeof(s->report)) != sizeof(s->report))
		return -EPIPE;
	(void)close(s->status_fd);
	s->status_fd = -1;
	return -s->report.e.code;
}

static inline int run(struct machine *m)
{
	struct started s;
	int r = start(m, NULL, &s, false);

	return r < 0 ? r : report(&s);
}

/* Nothing below the run directory: no socket, no directory. */
static inline bool nothing_is_left(void)
{
	char path[64];
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *de;
	bool clean = true;

	(void)snprintf(path, sizeof(path), "%s/run", top);
	d = opendir(path);
	while (d && (de = readdir(d)))
		if (strlen(de->d_name) == 64) {
			printf("# left: %s\n", de->d_name);
			clean = false;
		}
	return clean;
}

static inline int collect(void *data, const struct log_record *r)
{
	char *to = data;
	size_t n = strlen(to);

	(void)snprintf(to + n, 4096 - n, "%s%.*s%s", r->stream == LOG_STDERR ? "E:" : "",
		       (int)r->size, r->data, r->partial ? "" : "\n");
	return 0;
}

static inline const char *log_text(struct machine *m, int streams)
{
	static char text[4096];
	struct logs_options o = { .streams = streams, .tail = -1 };

	text[0] = '\0';
	(void)machine_logs(m, &o, collect, text, NULL);
	return text;
}
#define OUTPUT (LOG_STDOUT | LOG_STDERR)

static inline int ended(struct machine *m, struct state *ret)
{
	int code = -1;

	if (machine_wait(m, &code, NULL) < 0 || machine_state(m, ret, NULL) < 0)
		return -1;
	return code;
}

/* No sanitizer, no assertion, in any of the runs above. */
static inline void no_supervisor_had_anything_to_say(void)
{
	char text[512];
	ssize_t n = pread(errors, text, sizeof(text) - 1, 0);

	if (n > 0)
		printf("# %.*s\n", (int)strcspn(text, "\n"), text);
	CHECK_INT(n, 0);
}
