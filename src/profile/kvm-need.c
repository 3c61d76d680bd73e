/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/kvm.h>

#include "base/macro.h"
#include "profile/internal.h"

/* What QEMU asks KVM for and ends without, whatever the machine: in its accel/kvm/kvm-all.c
 * for all architectures, in target/ARCH/kvm for one. It is what 7.2 to 10 want together,
 * for which of them will run is not known here; Linux 4.4 has it all. An interrupt
 * controller in the kernel is not among it, because QEMU has one itself. */

#define NEED(capability)                \
	{                               \
		capability, #capability \
	}

static const struct {
	int number;
	const char *name;
} needed[] = {
	NEED(KVM_CAP_USER_MEMORY),
	NEED(KVM_CAP_DESTROY_MEMORY_REGION_WORKS),
	NEED(KVM_CAP_JOIN_MEMORY_REGIONS_WORKS),
	NEED(KVM_CAP_INTERNAL_ERROR_DATA),
	NEED(KVM_CAP_IOEVENTFD),
	NEED(KVM_CAP_IOEVENTFD_ANY_LENGTH),
#if defined(__x86_64__)
	NEED(KVM_CAP_SET_TSS_ADDR),
	NEED(KVM_CAP_EXT_CPUID),
	NEED(KVM_CAP_MP_STATE),
	NEED(KVM_CAP_SIGNAL_MSI),
	NEED(KVM_CAP_IRQ_ROUTING),
	NEED(KVM_CAP_DEBUGREGS),
	NEED(KVM_CAP_XSAVE),
	NEED(KVM_CAP_VCPU_EVENTS),
	NEED(KVM_CAP_X86_ROBUST_SINGLESTEP),
	NEED(KVM_CAP_MCE),
	NEED(KVM_CAP_ADJUST_CLOCK),
	NEED(KVM_CAP_SET_IDENTITY_MAP_ADDR),
#elif defined(__aarch64__)
	NEED(KVM_CAP_DEVICE_CTRL),
#elif defined(__s390x__)
	NEED(KVM_CAP_ASYNC_PF),
	NEED(KVM_CAP_DEVICE_CTRL),
	NEED(KVM_CAP_SYNC_REGS),
	NEED(KVM_CAP_S390_COW),
#endif
};

const char *kvm_missing(kvm_check_fn check, int kvm)
{
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (check(kvm, needed[i].number) <= 0)
			return needed[i].name;
	return NULL;
}
