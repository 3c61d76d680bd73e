/* SPDX-License-Identifier: Apache-2.0 */
/* pseries: H_PUT_TERM_CHAR takes up to 16 characters in two registers. */
	.globl _start
_start:
	bl	1f
1:	mflr	9
	li	3, 0x58
	li	4, 0
	li	5, 16
	ld	6, text-1b(9)
	ld	7, text-1b+8(9)
	.long	0x44000022 /* sc 1 */
	li	3, 0x58
	li	4, 0
	li	5, 1
	ld	6, text-1b+16(9)
	.long	0x44000022
2:	b	2b
	.balign	8
text:	.ascii	"bare ppc64 guest\n"
	.balign	8
