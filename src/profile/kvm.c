/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "profile/internal.h"

/* Theory of operation
 *
 * Nested hosts exist where /dev/kvm opens, VMs and vCPUs are made, small firmware runs,
 * and stock kernels crawl for minutes: the CPU has no virtualization to offer, so KVM
 * interprets the guest's kernel instruction by instruction, and fails at those that its
 * interpreter lacks. Measured on such a host: 0.8 us for every instruction in kernel mode
 * against 0.3 ns natively, and an "internal error" at iret. Address-space switches, which
 * one would suspect first, cost 4 us there and are no worse than with shadow page tables.
 *
 * So a tiny guest computes for a moment, then switches address spaces and takes exceptions
 * (kvm-guest.S), once KVM has said that it has what QEMU needs (kvm-need.c). It runs in a child process, because a KVM in trouble may not return: the
 * child gets three seconds and is killed. It only makes system calls on its own memory, so
 * it does not matter what other threads of the caller held when it was forked.
 *
 * Opening /dev/kvm is tried every time: permission may come and go. The tiny guest's
 * verdict is kept in the run directory for as long as the boot id is the same, unless the
 * child ran out of time without having had the CPU: that says something of the load, not
 * of KVM. */

#define CACHE_FILE   "kvm.json"
#define CACHE_FORMAT 2    /* to be raised when the probe changes */
#define TIME_LIMIT   3000 /* ms */
#define REAP_LIMIT   1000 /* ms */
#define REAP_STEP    10   /* ms: where there is no pidfd to wait on */
#define CPU_LIMIT    200  /* ms: a child that has not had as much was kept from running */

/* -- verdicts -------------------------------------------------------------------- */

static void _printf_(3, 4) say(struct kvm_verdict *v, bool usable, const char *fmt, ...)
{
	va_list ap;

	v->usable = usable;
	va_start(ap, fmt);
	(void)vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
}

static void judge_open(int code, struct kvm_verdict *v)
{
	switch (code) {
	case ENOENT:
		say(v, false,
		    "there is no /dev/kvm: load the module kvm_intel or kvm_amd, and look whether the firmware (or the cloud, for nested machines) has virtualization turned on");
		return;
	case EACCES:
	case EPERM:
		say(v, false,
		    "no permission for /dev/kvm: add yourself to its group (usually 'kvm') and log in again");
		return;
	case ENODEV:
	case ENXIO:
		say(v, false,
		    "/dev/kvm has no driver behind it: load the module kvm_intel or kvm_amd");
		return;
	default:
		say(v, false, "/dev/kvm does not open: %s", strerror(code));
	}
}

static void judge_step(const struct kvm_run_result *res, struct kvm_verdict *v)
{
	if (res->error == -EBUSY)
		say(v, false,
		    "%s: the CPU's virtualization is in use by another hypervisor: stop it first",
		    res->step);
	else
		say(v, false, "%s failed: %s", res->step, strerror(-res->error));
}

void kvm_judge(const struct kvm_run_result *res, struct kvm_verdict *v)
{
	if (res->missing)
		say(v, false,
		    "KVM lacks %s, without which QEMU does not start: a newer kernel may have it",
		    res->missing);
	else if (res->error < 0)
		judge_step(res, v);
	else if (res->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		say(v, false,
		    "a vCPU runs, but KVM cannot run what kernels do (internal error %d): nested without hardware support",
		    res->suberror);
	else if (res->exit_reason >= 0)
		say(v, false, "a tiny guest ended with KVM exit %d instead of its own",
		    res->exit_reason);
	else if (res->compute >= KVM_COMPUTE_LIMIT)
		say(v, false,
		    "a vCPU runs, but %d simple instructions took %lld ms (natively 0.01): nested without hardware support",
		    3 * KVM_COMPUTE_ROUNDS, (long long)res->compute / 1000000);
	else if (res->switches >= KVM_SWITCH_LIMIT)
		say(v, false,
		    "a vCPU runs, but %d address-space switches took %lld ms: nested without hardware support",
		    2 * KVM_SWITCH_ROUNDS, (long long)res->switches / 1000000);
	else if (res->compute == 0)
		say(v, true,
		    "a VM with a vCPU was made (no guest is tried on this architecture)");
	else
		say(v, true,
		    "a guest ran: %d instructions in %lld us, %d address-space switches in %lld us",
		    3 * KVM_COMPUTE_ROUNDS, (long long)res->compute / 1000,
		    2 * KVM_SWITCH_ROUNDS, (long long)res->switches / 1000);
}

/* -- the child ------------------------------------------------------------------- */

/* Everything but two: where KVM never lets go of this process, it must not hold the
 * caller's locks for ever, or the end of a pipe that somebody reads. */
static void close_all_but(int a, int b)
{
	const int kept[] = { a < b ? a : b, a < b ? b : a };
	int from = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		if (kept[i] > from)
			(void)close_range((unsigned)from, (unsigned)kept[i] - 1, 0);
		if (kept[i] >= from)
			from = kept[i] + 1;
	}
	(void)close_range((unsigned)from, UINT_MAX, 0);
}

static void child(kvm_guest_fn fn, int kvm, int out)
{
	struct kvm_run_result res;

	close_all_but(kvm, out);
	fn(kvm, &res);
	(void)write_all(out, &res, sizeof(res));
	_exit(0);
}

/* 1: the child has spoken or died, 0: its time is over. */
static int wait_for(int fd, int time_limit)
{
	int64_t end = clock_monotonic() + time_limit * 1000000ll, left;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int r;

	do {
		left = (end - clock_monotonic()) / 1000000;
		r = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

/* A child that hangs inside the kernel cannot be waited for: it is left to init. */
static void reap(pid_t pid, int pidfd, bool finished)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int left = REAP_LIMIT, step = pidfd < 0 ? REAP_STEP : REAP_LIMIT;

	/* Nobody else waits for it: it is still this one. */
	if (!finished)
		(void)kill(pid, SIGKILL);
	for (; waitpid(pid, NULL, WNOHANG) == 0 && left > 0; left -= step)
		(void)poll(&p, 1, step);
}

static int64_t cpu_time_of(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) < 0)
		return 0;
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

static int start_child(kvm_guest_fn fn, int kvm, int *ret_in, pid_t *ret_pid)
{
	_cleanup_close_ int in = -1, out = -1;
	int pipefd[2];
	pid_t pid = -1;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return -errno;
	in = pipefd[0];
	out = pipefd[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child(fn, kvm, out);
	*ret_pid = pid;
	*ret_in = TAKE_FD(in);
	return 0;
}

int kvm_run_in_child(kvm_guest_fn fn, int kvm, int time_limit, struct kvm_verdict *ret)
{
	_cleanup_close_ int in = -1, pidfd = -1;
	struct kvm_run_result res;
	int64_t cpu = 0;
	pid_t pid = -1;
	int r;

	r = start_child(fn, kvm, &in, &pid);
	if (r < 0)
		return r;
	pidfd = pidfd_open(pid, 0);
	r = pidfd < 0 ? -errno : wait_for(in, time_limit);
	if (r == 1 && read_full(in, &res, sizeof(res)) == (ssize_t)sizeof(res)) {
		kvm_judge(&res, ret);
	} else if (r == 1) {
		say(ret, false, "a tiny guest killed the process that ran it");
	} else if (r == 0) {
		cpu = cpu_time_of(pid);
		say(ret, false, "a tiny guest did not end within %d ms", time_limit);
	}
	reap(pid, pidfd, r == 1);
	return r == 0 ? cpu >= CPU_LIMIT : r;
}

/* -- the cache ------------------------------------------------------------------- */

static int cache_read(int runfd, const char *boot, struct kvm_verdict *ret)
{
	const char *id = "", *why = "";
	json_auto_t *j = NULL;
	int64_t format = 0;
	bool usable = false;

	if (runfd < 0 || json_read_at(runfd, CACHE_FILE, &j, NULL) < 0 ||
	    json_get_int(j, "version", 0, INT64_MAX, &format, NULL) < 0 ||
	    json_get_string(j, "boot_id", &id, NULL) < 0 ||
	    json_get_string(j, "why", &why, NULL) < 0 ||
	    json_get_bool(j, "usable", &usable, NULL) < 0 || format != CACHE_FORMAT ||
	    strcmp(id, boot) != 0)
		return -ENOENT;
	say(ret, usable, "%s", why);
	return 0;
}

/* What cannot be kept is found out again. */
static void cache_write(int runfd, const char *boot, const struct kvm_verdict *v)
{
	json_auto_t *j = json_pack("{s:i,s:s,s:s,s:b}", "version", CACHE_FORMAT,
				   "boot_id", boot, "why", v->why, "usable", v->usable);

	if (j && runfd >= 0)
		(void)json_write_at(runfd, CACHE_FILE, j, 0600, NULL);
}

/* -- probing and choosing -------------------------------------------------------- */

static int probe_guest(int kvm, int runfd, bool fresh, struct kvm_verdict *ret,
		       struct volt_error *e)
{
	char boot[BOOT_ID_SIZE] = "";
	bool cached = boot_id(boot) == 0;
	int r;

	if (cached && !fresh && cache_read(runfd, boot, ret) == 0)
		return 0;
	r = kvm_run_in_child(kvm_guest_run, kvm, TIME_LIMIT, ret);
	if (r < 0)
		return fail_code(e, r, "probe KVM with a tiny guest");
	if (cached && r == 1)
		cache_write(runfd, boot, ret);
	return 0;
}

int kvm_probe(int runfd, bool fresh, struct kvm_verdict *ret, struct volt_error *e)
{
	_cleanup_close_ int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int version;

	if (kvm < 0) {
		judge_open(errno, ret);
		return 0;
	}
	version = ioctl(kvm, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		say(ret, false, "/dev/kvm has API version %d, not %d", version,
		    KVM_API_VERSION);
		return 0;
	}
	return probe_guest(kvm, runfd, fresh, ret, e);
}

/* Why KVM is out of the question for @guest_arch, or what the probe says. */
static int judge_arch(const char *guest_arch, int runfd, struct kvm_verdict *v,
		      struct volt_error *e)
{
	const struct profile_arch *guest = profile_arch_find(guest_arch);
	const struct profile_arch *host = profile_arch_find(NULL);

	if (!guest)
		return fail(e, EINVAL, "architecture '%s' is not one that volt knows",
			    guest_arch ? guest_arch : "of this host");
	if (!host || !profile_arch_runs_on(guest, host)) {
		say(v, false, "the guest's architecture is %s and the host's %s",
		    guest->name, host ? host->name : "unknown");
		return 0;
	}
	return kvm_probe(runfd, false, v, e);
}

int accel_choose(enum accel wish, const char *guest_arch, int runfd, enum accel *ret,
		 char note[static KVM_WHY_SIZE], struct volt_error *e)
{
	struct kvm_verdict v = { .why = "TCG was asked for" };
	int r;

	if (wish != ACCEL_TCG) {
		r = judge_arch(guest_arch, runfd, &v, e);
		if (r < 0)
			return r;
	}
	if (wish == ACCEL_KVM && !v.usable)
		return fail(e, ENOTSUP, "KVM cannot be used: %s", v.why);
	*ret = v.usable ? ACCEL_KVM : ACCEL_TCG;
	(void)snprintf(note, KVM_WHY_SIZE, "%s", v.usable ? "" : v.why);
	return 0;
}
