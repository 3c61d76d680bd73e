/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/cmdline.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#define SAMPLE_NS 10000000
#define TRIES     32

static int64_t now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Emulation shows the guest the host's counter only where host and guest are PCs. */
static uint64_t ticks(void)
{
#if defined(__x86_64__)
	return __rdtsc();
#else
	return 0;
#endif
}

/* Both clocks at one moment: of some tries the one in which the least time passed, for on a
 * busy host any of them may be interrupted, and an error of a microsecond here makes the
 * guest's clock lose eight seconds a day. */
struct tsc_sample tsc_sample(void)
{
	struct tsc_sample best = { 0 };
	uint64_t least = UINT64_MAX;

	for (int k = 0; k < TRIES; k++) {
		uint64_t before = ticks();
		int64_t ns = now();
		uint64_t took = ticks() - before;

		if (took >= least)
			continue;
		least = took;
		best = (struct tsc_sample){ before + took / 2, ns };
	}
	return best;
}

uint64_t tsc_khz(const struct tsc_sample *begin)
{
	int64_t left = begin->ns + SAMPLE_NS - now();
	struct timespec t = { 0, left };
	struct tsc_sample end;

	if (begin->ticks == 0)
		return 0;
	if (left > 0)
		(void)nanosleep(&t, NULL);
	end = tsc_sample();
	if (end.ns <= begin->ns || end.ticks <= begin->ticks)
		return 0;
	return (uint64_t)((double)(end.ticks - begin->ticks) * 1e6 /
			  (double)(end.ns - begin->ns));
}

const char *kernel_cmdline(const struct machine_row *m, bool emulated, uint64_t khz,
			   char text[static CMDLINE_SIZE])
{
	/* reboot=t: a reset by triple fault works on every PC. noreplace-smp: a machine with one
	 * processor would patch 8,000 lock prefixes away. */
	static const char of_pc[] = " noreplace-smp reboot=t i8042.noaux i8042.nomux "
				    "i8042.dumbkbd 8250.nr_uarts=1";
	/* One of its eight devices has the interrupt of the clock, whose driver would take it;
	 * the guest gets the time from its host. */
	static const char of_microvm[] = " pci=off initcall_blacklist=cmos_init";
	bool pc = strcmp(m->arch, "x86_64") == 0;
	int n;

	/* panic=-1: a panic ends QEMU (-no-reboot) at once, and the supervisor sees it. */
	n = snprintf(text, CMDLINE_SIZE,
		     "console=%s quiet panic=-1 random.trust_cpu=on "
		     "rcupdate.rcu_expedited=1 cryptomgr.notests%s%s",
		     m->console, pc ? of_pc : "",
		     m->kind == MACHINE_MICROVM ? of_microvm : "");
	/* lapic_khz: QEMU's APIC timer; only volt's own kernel (kernel/x86_64.append) takes
	 * it, others measure. */
	if (pc && emulated && khz > 0)
		(void)snprintf(
			text + n, CMDLINE_SIZE - (size_t)n,
			" lapic_khz=1000000 tsc_early_khz=%llu tsc=reliable no_timer_check "
			"mitigations=off",
			(unsigned long long)khz);
	return text;
}
