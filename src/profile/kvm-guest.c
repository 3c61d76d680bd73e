/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include "base/macro.h"
#include "profile/internal.h"

/* One VM with 64 KiB and one vCPU that starts in long mode. Descriptors and mappings are
 * not given back: they die with the child process that runs this. */

struct tiny {
	int kvm, vm, vcpu;
	char *memory;
	struct kvm_run *run;
	struct kvm_run_result *res;
};

static int stop(struct tiny *t, const char *step)
{
	t->res->step = step;
	t->res->error = errno != 0 ? -errno : -EIO;
	return -1;
}

static int make_vm(struct tiny *t)
{
	t->vm = ioctl(t->kvm, KVM_CREATE_VM, 0);
	if (t->vm < 0)
		return stop(t, "KVM_CREATE_VM");
	t->vcpu = -1;
	return 0;
}

#ifdef __x86_64__

extern const char kvm_guest[], kvm_guest_compute[], kvm_guest_switch[], kvm_guest_trap[],
	kvm_guest_end[];

/* Guest-physical addresses. Both address spaces map the first 2 MiB onto themselves. */
enum {
	CODE = 0x1000,
	SPACE_A = 0x2000, /* three levels of one page each */
	SPACE_B = 0x5000,
	IDT = 0x8000,
	GDT = 0x9000,
	STACK_TOP = 0x10000,
	MEMORY = 0x10000
};

enum {
	PRESENT_WRITABLE = 0x3,
	LARGE_PAGE = 0x80,
	CODE_SELECTOR = 8,
	DATA_SELECTOR = 16,
	INVALID_OPCODE = 6,
	CR0_PE_ET_NE = 0x31,
	CR4_PAE = 0x20,
	EFER_LME_LMA = 0x500,
	DONE_PORT = 0x10
};
#define CR0_PG 0x80000000u

static void put64(struct tiny *t, uint64_t at, uint64_t value)
{
	memcpy(t->memory + at, &value, sizeof(value));
}

static void fill_space(struct tiny *t, uint64_t at)
{
	put64(t, at, (at + 0x1000) | PRESENT_WRITABLE);
	put64(t, at + 0x1000, (at + 0x2000) | PRESENT_WRITABLE);
	put64(t, at + 0x2000, PRESENT_WRITABLE | LARGE_PAGE);
}

static void fill_memory(struct tiny *t)
{
	uint64_t trap = CODE + (uint64_t)(kvm_guest_trap - kvm_guest);
	const uint64_t gate = 0x8e00ull << 32 | CODE_SELECTOR
							<< 16; /* 64-bit interrupt */

	memcpy(t->memory + CODE, kvm_guest, (size_t)(kvm_guest_end - kvm_guest));
	fill_space(t, SPACE_A);
	fill_space(t, SPACE_B);
	put64(t, IDT + INVALID_OPCODE * 16, gate | (trap & 0xffff)); /* trap < 64 KiB */
	put64(t, GDT + CODE_SELECTOR, 0x00af9b000000ffffull);
	put64(t, GDT + DATA_SELECTOR, 0x00cf93000000ffffull);
}

static int set_memory(struct tiny *t)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };

	t->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t->memory == MAP_FAILED)
		return stop(t, "guest memory");
	fill_memory(t);
	region.userspace_addr = (uintptr_t)t->memory;
	/* Old Intel CPUs need three pages of their own outside the guest's memory. */
	(void)ioctl(t->vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	if (ioctl(t->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return stop(t, "KVM_SET_USER_MEMORY_REGION");
	return 0;
}

static int make_vcpu(struct tiny *t)
{
	int size = ioctl(t->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	t->vcpu = ioctl(t->vm, KVM_CREATE_VCPU, 0);
	if (t->vcpu < 0)
		return stop(t, "KVM_CREATE_VCPU");
	if (size < (int)sizeof(*t->run))
		return stop(t, "KVM_GET_VCPU_MMAP_SIZE");
	t->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, t->vcpu, 0);
	return t->run == MAP_FAILED ? stop(t, "the vCPU's shared page") : 0;
}

/* Without this KVM may refuse long mode to a CPU that does not claim to have it. */
static int set_cpuid(struct tiny *t)
{
	enum {
		ENTRIES = 256
	};
	_cleanup_free_ struct kvm_cpuid2 *id =
		calloc(1, sizeof(*id) + ENTRIES * sizeof(id->entries[0]));

	if (!id)
		return stop(t, "memory");
	id->nent = ENTRIES;
	if (ioctl(t->kvm, KVM_GET_SUPPORTED_CPUID, id) < 0)
		return stop(t, "KVM_GET_SUPPORTED_CPUID");
	return ioctl(t->vcpu, KVM_SET_CPUID2, id) < 0 ? stop(t, "KVM_SET_CPUID2") : 0;
}

static int set_long_mode(struct tiny *t)
{
	const struct kvm_segment code = { .limit = 0xffffffff,
					  .selector = CODE_SELECTOR,
					  .type = 11,
					  .present = 1,
					  .s = 1,
					  .l = 1,
					  .g = 1 };
	const struct kvm_segment data = { .limit = 0xffffffff,
					  .selector = DATA_SELECTOR,
					  .type = 3,
					  .present = 1,
					  .db = 1,
					  .s = 1,
					  .g = 1 };
	struct kvm_sregs s;

	if (ioctl(t->vcpu, KVM_GET_SREGS, &s) < 0)
		return stop(t, "KVM_GET_SREGS");
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.gdt.base = GDT;
	s.gdt.limit = DATA_SELECTOR + 7;
	s.idt.base = IDT;
	s.idt.limit = 32 * 16 - 1;
	s.cr0 = CR0_PG | CR0_PE_ET_NE;
	s.cr3 = SPACE_A;
	s.cr4 = CR4_PAE;
	s.efer = EFER_LME_LMA;
	return ioctl(t->vcpu, KVM_SET_SREGS, &s) < 0 ? stop(t, "KVM_SET_SREGS") : 0;
}

static int64_t cpu_time(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* Runs the guest from @entry to its end. CPU time, so that a busy host is no matter. */
static int run_from(struct tiny *t, const char *entry, uint64_t rounds, int64_t *ret)
{
	struct kvm_regs regs = { .rip = CODE + (uint64_t)(entry - kvm_guest),
				 .rsp = STACK_TOP,
				 .rflags = 2,
				 .rdi = rounds,
				 .rbx = SPACE_B,
				 .rcx = SPACE_A };
	int64_t start;
	int r;

	if (ioctl(t->vcpu, KVM_SET_REGS, &regs) < 0)
		return stop(t, "KVM_SET_REGS");
	start = cpu_time();
	do
		r = ioctl(t->vcpu, KVM_RUN, 0);
	while (r < 0 && (errno == EINTR || errno == EAGAIN));
	if (r < 0)
		return stop(t, "KVM_RUN");
	*ret = cpu_time() - start;
	if (t->run->exit_reason == KVM_EXIT_IO && t->run->io.port == DONE_PORT)
		return 0;
	t->res->exit_reason = (int)t->run->exit_reason;
	if (t->run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		t->res->suberror = (int)t->run->internal.suberror;
	return -1;
}

/* The better of two: only the first has to build the shadow or nested page tables. */
static int run_best(struct tiny *t, const char *entry, uint64_t rounds, int64_t limit,
		    int64_t *ret)
{
	int64_t ns;
	int i, r;

	for (i = 0; i < 2; i++) {
		r = run_from(t, entry, rounds, &ns);
		if (r < 0)
			return r;
		if (*ret < 0 || ns < *ret)
			*ret = ns;
		if (*ret < limit)
			return 0;
	}
	return 0;
}

static void run_guest(struct tiny *t)
{
	struct kvm_run_result *res = t->res;

	if (set_memory(t) < 0 || make_vcpu(t) < 0 || set_cpuid(t) < 0 ||
	    set_long_mode(t) < 0)
		return;
	if (run_best(t, kvm_guest_compute, KVM_COMPUTE_ROUNDS, KVM_COMPUTE_LIMIT,
		     &res->compute) < 0 ||
	    res->compute >= KVM_COMPUTE_LIMIT)
		return;
	(void)run_best(t, kvm_guest_switch, KVM_SWITCH_ROUNDS, KVM_SWITCH_LIMIT,
		       &res->switches);
}

#else

/* Elsewhere a VM with a vCPU has to do as the proof. */
static void run_guest(struct tiny *t)
{
	t->vcpu = ioctl(t->vm, KVM_CREATE_VCPU, 0);
	if (t->vcpu < 0)
		(void)stop(t, "KVM_CREATE_VCPU");
	else
		t->res->compute = t->res->switches = 0;
}

#endif

static int check_extension(int kvm, int capability)
{
	return ioctl(kvm, KVM_CHECK_EXTENSION, capability);
}

void kvm_guest_run(int kvm, struct kvm_run_result *ret)
{
	struct tiny t = { .kvm = kvm, .res = ret };

	memset(ret, 0, sizeof(*ret));
	ret->exit_reason = -1;
	ret->compute = ret->switches = -1;
	ret->missing = kvm_missing(check_extension, kvm);
	if (!ret->missing && make_vm(&t) >= 0)
		run_guest(&t);
}
