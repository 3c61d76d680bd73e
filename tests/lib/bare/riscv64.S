/* SPDX-License-Identifier: Apache-2.0 */
/* virt: OpenSBI, which has started us, puts a character on its console. */
	.globl _start
_start:
	la	s0, text
1:	lbu	a0, 0(s0)
	beqz	a0, 2f
	li	a7, 1
	ecall
	addi	s0, s0, 1
	j	1b
2:	wfi
	j	2b
text:	.asciz	"bare riscv64 guest\n"
