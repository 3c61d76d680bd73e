/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The QEMU that was started has the terminal, and its keys' signals with it, like any
 * program that a shell runs. What somebody sends to this process is handed on.
 */

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/registry.h"

static const char *arch, **volumes;

static const struct poptOption options[] = {
	{ "arch", 0, POPT_ARG_STRING, &arch, 0,
	  "The QEMU for guests of this architecture", "ARCH" },
	/* no letter: who forgets "--" before -version would hear of a volume "ersion" */
	{ "volume", 0, POPT_ARG_ARGV, &volumes, 0,
	  "Let it see a file or directory of this host", "HOST:/NAME[:ro|rw]" },
	POPT_TABLEEND
};

static void block_signals(sigset_t *ret)
{
	static const int signals[] = { SIGCHLD, SIGHUP,  SIGINT, SIGQUIT,
				       SIGTERM, SIGUSR1, SIGUSR2 };

	(void)sigemptyset(ret);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaddset(ret, signals[i]);
	(void)sigprocmask(SIG_BLOCK, ret, NULL);
}

static int status_of(const siginfo_t *si)
{
	return si->si_code == CLD_EXITED ? si->si_status : 128 + si->si_status;
}

static int wait_for(int pidfd, const sigset_t *signals, struct volt_error *e)
{
	for (;;) {
		siginfo_t end = { 0 }, si;

		if (waitid(P_PIDFD, (id_t)pidfd, &end, WEXITED | WNOHANG) < 0)
			return fail_errno(e, "wait for QEMU");
		if (end.si_pid != 0)
			return status_of(&end);
		if (sigwaitinfo(signals, &si) < 0)
			continue;
		/* What the terminal sends, QEMU has got itself. */
		if (si.si_signo != SIGCHLD && si.si_code != SI_KERNEL)
			(void)syscall(SYS_pidfd_send_signal, pidfd, si.si_signo, NULL, 0);
	}
}

static int start(struct volt_ctx *ctx, const char **argv, int *ret_pidfd,
		 struct volt_error *e)
{
	_cleanup_free_ char *wish = NULL;
	json_auto_t *j = json_object();
	int r = 0;

	if (put_word(j, "arch", arch) < 0 || put_list(j, "volumes", volumes) < 0)
		r = -1;
	r = options_text(j, r, &wish, e);
	if (r < 0)
		return r;
	progress_steps(ctx);
	r = volt_profile_run(ctx, argv[0], wish, argv + 1, ret_pidfd, e);
	progress_clear();
	return r;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	bool terminal = isatty(STDIN_FILENO);
	_cleanup_close_ int pidfd = -1;
	struct termios modes;
	sigset_t signals;
	int r;

	terminal = terminal && tcgetattr(STDIN_FILENO, &modes) == 0;
	block_signals(&signals);
	r = start(ctx, argv, &pidfd, e);
	if (r == 0)
		r = wait_for(pidfd, &signals, e);
	if (terminal) /* which a QEMU that was killed has left as it was */
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &modes);
	return r;
}

const struct cmd cmd_qemu_run = {
	.name = "qemu run",
	.args = "PROFILE [-- ARG...]",
	.help = "Start a profile's QEMU with arguments of one's own",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.words = WORD_PROFILE,
	.run = run,
};
