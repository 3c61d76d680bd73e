/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/path.h"
#include "profile/internal.h"
#include "tap.h"

struct run_dir {
	char path[40];
	int fd;
};

static int run_open(struct run_dir *d)
{
	memcpy(d->path, "/tmp/volt-test-kvm.XXXXXX", sizeof("/tmp/volt-test-kvm.XXXXXX"));
	if (!mkdtemp(d->path))
		return -1;
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return d->fd;
}

static void run_close(struct run_dir *d)
{
	(void)unlinkat(d->fd, "kvm.json", 0);
	(void)close(d->fd);
	(void)rmdir(d->path);
}

#define _cleanup_run_ _cleanup_(run_close)

static void a16_verdict_says_what_was_found(void)
{
	static const struct {
		struct kvm_run_result res;
		bool usable;
		const char *why;
	} cases[] = {
		{ { .exit_reason = -1, .compute = 14000, .switches = 90000 },
		  true,
		  "a guest ran: 30000 instructions in 14 us" },
		{ { .exit_reason = -1, .compute = 19000000, .switches = -1 },
		  false,
		  "a vCPU runs, but 30000 simple instructions took 19 ms" },
		{ { .exit_reason = -1, .compute = 14000, .switches = 900000000 },
		  false,
		  "a vCPU runs, but 400 address-space switches took 900 ms" },
		{ { .exit_reason = KVM_EXIT_INTERNAL_ERROR,
		    .suberror = 1,
		    .compute = 14000,
		    .switches = -1 },
		  false,
		  "cannot run what kernels do (internal error 1)" },
		{ { .exit_reason = KVM_EXIT_SHUTDOWN, .compute = 14000 },
		  false,
		  "a tiny guest ended with KVM exit 8" },
		{ { .error = -EBUSY, .step = "KVM_CREATE_VM", .exit_reason = -1 },
		  false,
		  "in use by another hypervisor" },
		{ { .error = -ENOMEM, .step = "KVM_CREATE_VCPU", .exit_reason = -1 },
		  false,
		  "KVM_CREATE_VCPU failed: Cannot allocate memory" },
		{ { .missing = "KVM_CAP_MP_STATE", .exit_reason = -1 },
		  false,
		  "KVM lacks KVM_CAP_MP_STATE, without which QEMU does not start" },
	};
	struct kvm_verdict v;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		kvm_judge(&cases[i].res, &v);
		CHECK_INT(v.usable, cases[i].usable);
		if (!strstr(v.why, cases[i].why))
			printf("# %s\n", v.why);
		CHECK(strstr(v.why, cases[i].why));
	}
}

static int refused;

static int has_all_but_refused(int kvm, int capability)
{
	(void)kvm;
	return capability == refused ? 0 : 1;
}

static int has_none(int kvm, int capability)
{
	(void)kvm;
	(void)capability;
	return -1;
}

static void a16_what_qemu_needs_of_kvm_is_asked_for_by_name(void)
{
	static const struct {
		int number;
		const char *name;
	} cases[] = {
		{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
		{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
#ifdef __x86_64__
		{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
		{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
		{ KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
#endif
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		refused = cases[i].number;
		CHECK_STR(kvm_missing(has_all_but_refused, -1), cases[i].name);
	}
	refused = -1;
	CHECK(!kvm_missing(has_all_but_refused, -1));
	CHECK_STR(kvm_missing(has_none, -1), "KVM_CAP_USER_MEMORY");
}

static void a16_no_guest_is_tried_where_kvm_lacks_what_qemu_needs(void)
{
	_cleanup_close_ int other = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct kvm_run_result res;

	CHECK(other >= 0);
	kvm_guest_run(other, &res);
	CHECK_STR(res.missing, "KVM_CAP_USER_MEMORY");
	CHECK_INT(res.error, 0); /* KVM_CREATE_VM would have failed */
}

static void run_healthy(int kvm, struct kvm_run_result *ret)
{
	(void)kvm;
	*ret = (struct kvm_run_result){ .exit_reason = -1,
					.compute = 14000,
					.switches = 90000 };
}

static void run_forever(int kvm, struct kvm_run_result *ret)
{
	(void)kvm;
	(void)ret;
	for (;;)
		(void)pause();
}

static int locked = -1; /* stands for a lock that the caller holds */

static void run_and_look(int kvm, struct kvm_run_result *ret)
{
	run_healthy(kvm, ret);
	if (fcntl(locked, F_GETFD) >= 0 || fcntl(1, F_GETFD) >= 0 ||
	    fcntl(kvm, F_GETFD) < 0)
		ret->error = -EBADF;
}

static void run_to_death(int kvm, struct kvm_run_result *ret)
{
	(void)kvm;
	(void)ret;
	_exit(3);
}

static void guest_that_hangs_or_kills_its_process_is_a_verdict(void)
{
	struct kvm_verdict v;

	CHECK_INT(kvm_run_in_child(run_healthy, -1, 10000, &v), 1);
	CHECK(v.usable);
	CHECK_INT(kvm_run_in_child(run_to_death, -1, 10000, &v), 1);
	CHECK(!v.usable);
	CHECK_STR(v.why, "a tiny guest killed the process that ran it");
	/* It has not had the CPU, so this must not be kept. */
	CHECK_INT(kvm_run_in_child(run_forever, -1, 20, &v), 0);
	CHECK(!v.usable);
	CHECK_STR(v.why, "a tiny guest did not end within 20 ms");
	CHECK_INT(waitpid(-1, NULL, WNOHANG), -1); /* and nobody is left */
	CHECK_INT(errno, ECHILD);
}

static bool no_pidfds;

/* In place of libc's. */
int pidfd_open(pid_t pid, unsigned flags)
{
	if (!no_pidfds)
		return (int)syscall(SYS_pidfd_open, pid, flags);
	errno = ENFILE;
	return -1;
}

static void child_is_waited_for_without_a_pidfd_too(void)
{
	int64_t begin = clock_monotonic();
	struct kvm_verdict v;
	int r;

	no_pidfds = true;
	r = kvm_run_in_child(run_forever, -1, 10000, &v);
	no_pidfds = false;
	CHECK_INT(r, -ENFILE);
	CHECK(clock_monotonic() - begin < 900000000);
	CHECK_INT(waitpid(-1, NULL, WNOHANG), -1);
	CHECK_INT(errno, ECHILD);
}

/* A child that KVM does not let go of lives on, and must hold nothing of its parent's. */
static void child_has_no_descriptors_but_its_own(void)
{
	_cleanup_close_ int kvm = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct kvm_verdict v;

	locked = open("/dev/null", O_RDWR | O_CLOEXEC);
	CHECK(kvm >= 0 && locked >= 0);
	CHECK_INT(kvm_run_in_child(run_and_look, kvm, 10000, &v), 1);
	(void)close(locked);
	CHECK_STR(v.usable ? "" : v.why, "");
}

static void probe_gives_a_verdict_with_a_reason(void)
{
	struct volt_error e = { 0 };
	struct kvm_verdict v;

	CHECK_INT(kvm_probe(-1, true, &v, &e), 0);
	printf("# this host: %s: %s\n", v.usable ? "usable" : "not usable", v.why);
	CHECK(v.why[0] != '\0');
	CHECK(!strchr(v.why, '\n'));
}

static int plant(const struct run_dir *d, const char *boot)
{
	json_auto_t *j = json_pack("{s:i,s:s,s:s,s:b}", "version", 2, "boot_id", boot,
				   "why", "planted", "usable", 1);

	return json_write_at(d->fd, "kvm.json", j, 0600, NULL);
}

static void verdict_is_kept_for_one_boot(void)
{
	_cleanup_run_ struct run_dir d;
	char boot[BOOT_ID_SIZE];
	struct kvm_verdict v;

	CHECK(run_open(&d) >= 0);
	CHECK_INT(boot_id(boot), 0);
	CHECK_INT(plant(&d, boot), 0);
	CHECK_INT(kvm_probe(d.fd, false, &v, NULL), 0);
	if (access("/dev/kvm", R_OK | W_OK) < 0) { /* opening comes before the cache */
		CHECK(!v.usable);
		return;
	}
	CHECK_STR(v.why, "planted");
	CHECK_INT(plant(&d, "00000000-0000-0000-0000-000000000000"), 0);
	CHECK_INT(kvm_probe(d.fd, false, &v, NULL), 0);
	CHECK(strcmp(v.why, "planted") != 0);
	CHECK_INT(plant(&d, boot), 0);
	CHECK_INT(kvm_probe(d.fd, true, &v, NULL), 0);
	CHECK(strcmp(v.why, "planted") != 0);
}

static void broken_cache_is_no_verdict(void)
{
	_cleanup_run_ struct run_dir d;
	struct kvm_verdict v;
	int fd;

	CHECK(run_open(&d) >= 0);
	fd = openat(d.fd, "kvm.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK_INT(write(fd, "{\"version\":1,", 13), 13);
	(void)close(fd);
	CHECK_INT(kvm_probe(d.fd, false, &v, NULL), 0);
	CHECK(v.why[0] != '\0');
}

static void a17_accelerator_follows_wish_host_and_guest(void)
{
	const char *foreign = strcmp(profile_arch_find(NULL)->name, "riscv64") == 0
				      ? "arm64"
				      : "riscv64";
	struct volt_error e = { 0 };
	char note[KVM_WHY_SIZE];
	enum accel a;

	CHECK_INT(accel_choose(ACCEL_TCG, NULL, -1, &a, note, &e), 0);
	CHECK_INT(a, ACCEL_TCG);
	CHECK_STR(note, "TCG was asked for");
	CHECK_INT(accel_choose(ACCEL_AUTO, foreign, -1, &a, note, &e), 0);
	CHECK_INT(a, ACCEL_TCG);
	CHECK(strstr(note, "the guest's architecture is"));
	CHECK_INT(accel_choose(ACCEL_KVM, foreign, -1, &a, note, &e), -ENOTSUP);
	CHECK(strstr(e.msg, "KVM cannot be used: the guest's architecture is"));
	CHECK_INT(accel_choose(ACCEL_AUTO, "vax", -1, &a, note, &e), -EINVAL);
}

static void auto_is_what_the_probe_says(void)
{
	struct volt_error e = { 0 };
	char note[KVM_WHY_SIZE];
	struct kvm_verdict v;
	enum accel a;

	CHECK_INT(kvm_probe(-1, true, &v, &e), 0);
	CHECK_INT(accel_choose(ACCEL_AUTO, NULL, -1, &a, note, &e), 0);
	CHECK_INT(a, v.usable ? ACCEL_KVM : ACCEL_TCG);
	CHECK_INT(note[0] == '\0', v.usable);
}

int main(void)
{
	RUN(a16_verdict_says_what_was_found);
	RUN(a16_what_qemu_needs_of_kvm_is_asked_for_by_name);
	RUN(a16_no_guest_is_tried_where_kvm_lacks_what_qemu_needs);
	RUN(guest_that_hangs_or_kills_its_process_is_a_verdict);
	RUN(child_is_waited_for_without_a_pidfd_too);
	RUN(child_has_no_descriptors_but_its_own);
	RUN(probe_gives_a_verdict_with_a_reason);
	RUN(verdict_is_kept_for_one_boot);
	RUN(broken_cache_is_no_verdict);
	RUN(a17_accelerator_follows_wish_host_and_guest);
	RUN(auto_is_what_the_probe_says);
	return tap_done();
}
