/* entry_points.S - one entry point for each of functions.def. It asks torture_before, by the function's
 * number, what is to become of the call: on to the library's own, with the arguments as they came (of any
 * number and type, for nothing on the stack is moved), or back to the caller at once. x86-64. */
.text

.macro ENTRY_POINT name, number
.globl \name
.type \name, @function
\name:
    .cfi_startproc
    endbr64
    movl $\number, %r11d
    jmp torture_enter
    .cfi_endproc
.size \name, . - \name
.endm

/* struct torture_registers: six arguments, the result (and, for variable arguments, their number in al). */
.type torture_enter, @function
torture_enter:
    .cfi_startproc
    pushq %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    movq %rsp, %rbp
    .cfi_def_cfa_register %rbp
    subq $192, %rsp
    movq %rdi, 0(%rsp)
    movq %rsi, 8(%rsp)
    movq %rdx, 16(%rsp)
    movq %rcx, 24(%rsp)
    movq %r8, 32(%rsp)
    movq %r9, 40(%rsp)
    movq %rax, 48(%rsp)
    movups %xmm0, 64(%rsp)
    movups %xmm1, 80(%rsp)
    movups %xmm2, 96(%rsp)
    movups %xmm3, 112(%rsp)
    movups %xmm4, 128(%rsp)
    movups %xmm5, 144(%rsp)
    movups %xmm6, 160(%rsp)
    movups %xmm7, 176(%rsp)
    movq %rsp, %rdi
    movl %r11d, %esi
    movq 8(%rbp), %rdx
    call torture_before
    movq %rax, %r11
    movq 0(%rsp), %rdi
    movq 8(%rsp), %rsi
    movq 16(%rsp), %rdx
    movq 24(%rsp), %rcx
    movq 32(%rsp), %r8
    movq 40(%rsp), %r9
    movq 48(%rsp), %rax
    movups 64(%rsp), %xmm0
    movups 80(%rsp), %xmm1
    movups 96(%rsp), %xmm2
    movups 112(%rsp), %xmm3
    movups 128(%rsp), %xmm4
    movups 144(%rsp), %xmm5
    movups 160(%rsp), %xmm6
    movups 176(%rsp), %xmm7
    leave
    .cfi_def_cfa %rsp, 8
    testq %r11, %r11
    jz 1f
    jmp *%r11
1:  ret
    .cfi_endproc
.size torture_enter, . - torture_enter

.set number, 0
.macro NEXT_ENTRY_POINT name
    ENTRY_POINT \name, %number
    .set number, number + 1
.endm
.altmacro
#define FUNCTION(name, how, result, error) NEXT_ENTRY_POINT name
#include "functions.def"
.section .note.GNU-stack, "", @progbits
