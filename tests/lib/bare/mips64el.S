/* SPDX-License-Identifier: Apache-2.0 */
/* malta: the first serial port of its PC half, below the bridge's window, uncached. */
	.set	noreorder
	.globl	_start
_start:
	lui	$t0, 0xb800
	ori	$t0, $t0, 0x03f8
	lui	$t1, %hi(text)
	addiu	$t1, $t1, %lo(text)
1:	lbu	$t2, 0($t1)
	beqz	$t2, 2f
	addiu	$t1, $t1, 1
	b	1b
	sb	$t2, 0($t0)
2:	b	2b
	nop
text:	.asciz	"bare mips64el guest\n"
