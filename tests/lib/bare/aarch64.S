/* SPDX-License-Identifier: Apache-2.0 */
/* virt: the PL011 at its fixed address. */
	.globl _start
_start:
	ldr	x1, =0x09000000
	adr	x2, text
1:	ldrb	w3, [x2], #1
	cbz	w3, 2f
	str	w3, [x1]
	b	1b
2:	wfi
	b	2b
text:	.asciz	"bare aarch64 guest\n"
