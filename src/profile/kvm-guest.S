/* SPDX-License-Identifier: Apache-2.0 */

/* The whole guest of the KVM probe (kvm-guest.c): position-independent 64-bit code, entered
 * in long mode with interrupts off and %rdi the number of rounds. It ends by a write to
 * port 0x10. */
#ifdef __x86_64__
	.section .rodata
	.hidden	kvm_guest, kvm_guest_compute, kvm_guest_switch, kvm_guest_trap, kvm_guest_end
	.globl	kvm_guest, kvm_guest_compute, kvm_guest_switch, kvm_guest_trap, kvm_guest_end

kvm_guest:
/* What any CPU does at full speed unless every instruction is interpreted. */
kvm_guest_compute:
	add	%rdi, %rax
	dec	%rdi
	jnz	kvm_guest_compute
	jmp	done

/* What a kernel does all the time: another address space (%rbx, back to %rcx) and an
 * exception with its return. */
kvm_guest_switch:
	mov	%rbx, %cr3
	mov	kvm_guest(%rip), %rax
	mov	%rcx, %cr3
	ud2
	dec	%rdi
	jnz	kvm_guest_switch
done:
	out	%al, $0x10
	hlt

/* Invalid opcode: step over the two bytes of ud2. */
kvm_guest_trap:
	addq	$2, (%rsp)
	iretq
kvm_guest_end:
#endif
	.section .note.GNU-stack, "", %progbits
