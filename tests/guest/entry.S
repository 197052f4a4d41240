/* entry.S - multiboot entry, long mode for the 64-bit guests, exception stubs, catching(). */
    .section .multiboot, "a"
    .align 4
    .long 0x1badb002, 0, -0x1badb002
    .text
    .code32
    .globl _start
_start:
    cli
    cld
    mov $stack_top, %esp
    mov 16(%ebx), %esi          /* command line */
    testl $4, (%ebx)
    jnz 1f
    xor %esi, %esi
1:  mov $0x10, %ecx
    lgdt gdt_ptr
#ifdef __x86_64__
    mov $pdpt, %eax             /* pml4[0] -> pdpt; four page directories of 2 MiB pages */
    or $7, %eax
    mov %eax, pml4
    mov $4, %ecx
    mov $pd, %eax
    or $7, %eax
    mov $pdpt, %edi
1:  mov %eax, (%edi)
    add $8, %edi
    add $0x1000, %eax
    loop 1b
    mov $2048, %ecx
    mov $pd, %edi
    mov $0x87, %eax
1:  mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    loop 1b
    mov $pt0, %eax              /* the first 2 MiB in small pages */
    or $7, %eax
    mov %eax, pd
    mov $512, %ecx
    mov $pt0, %edi
    mov $7, %eax
1:  mov %eax, (%edi)
    add $8, %edi
    add $0x1000, %eax
    loop 1b
    mov $pml4, %eax
    mov %eax, %cr3
    mov %cr4, %eax
    or $0x20, %eax
    mov %eax, %cr4
    mov $0xc0000080, %ecx
    rdmsr
    or $0x900, %eax             /* LME, NXE */
    wrmsr
    mov %cr0, %eax
    or $0x80010001, %eax        /* PG, WP */
    mov %eax, %cr0
    ljmp $0x08, $start64
    .code64
start64:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %eax, %fs
    mov %eax, %gs
    mov %esi, %edi
    mov $stack_top, %rsp
    call lib_start
#else
    ljmp $0x08, $2f
2:  mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %eax, %fs
    mov %eax, %gs
    push %esi
    call lib_start
#endif

    .macro STUB n
isr\n:
    .if \n == 8 || (\n >= 10 && \n <= 14) || \n == 17
    .else
    push $0
    .endif
    push $\n
    jmp isr_common
    .endm
    .altmacro
    .macro STUBS
    .set i, 0
    .rept 48
    STUB %i
    .set i, i + 1
    .endr
    .endm
    STUBS
#ifdef __x86_64__
isr_common:
    push %rax; push %rcx; push %rdx; push %rbx; push %rbp; push %rsi; push %rdi
    push %r8; push %r9; push %r10; push %r11; push %r12; push %r13; push %r14; push %r15
    cld
    mov %rsp, %rdi
    mov %rsp, %rbx
    and $-16, %rsp
    call lib_exception
    mov %rbx, %rsp
    test %eax, %eax
    jz unwind
    pop %r15; pop %r14; pop %r13; pop %r12; pop %r11; pop %r10; pop %r9; pop %r8
    pop %rdi; pop %rsi; pop %rbp; pop %rbx; pop %rdx; pop %rcx; pop %rax
    add $16, %rsp
    iretq
    .globl catching
catching:
    push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push catch_sp
    mov %rsp, catch_sp
    call *%rdi
    mov $-1, %eax
catch_end:
    pop catch_sp; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx
    ret
unwind:
    mov catch_sp, %rsp
    mov exc_vector_offset + exc, %eax
    jmp catch_end
    .set exc_vector_offset, 15 * 8
#else
isr_common:
    push %eax; push %ecx; push %edx; push %ebx; push %ebp; push %esi; push %edi
    cld
    mov %esp, %eax
    mov $0x10, %ecx
    mov %ecx, %ds
    mov %ecx, %es
    push %eax
    call lib_exception
    add $4, %esp
    test %eax, %eax
    jz unwind
    pop %edi; pop %esi; pop %ebp; pop %ebx; pop %edx; pop %ecx; pop %eax
    add $8, %esp
    iret
    .globl catching
catching:
    mov 4(%esp), %eax
    push %ebx; push %ebp; push %esi; push %edi; push catch_sp
    mov %esp, catch_sp
    call *%eax
    mov $-1, %eax
catch_end:
    pop catch_sp; pop %edi; pop %esi; pop %ebp; pop %ebx
    ret
unwind:
    mov $0x10, %ecx
    mov %ecx, %ss
    mov %ecx, %ds
    mov %ecx, %es
    mov %ecx, %fs
    mov %ecx, %gs
    mov catch_sp, %esp
    mov exc_vector_offset + exc, %eax
    jmp catch_end
    .set exc_vector_offset, 7 * 4
#endif

    .data
    .align 16
    .globl gdt, isr_table, catch_sp
gdt:
    .quad 0
#ifdef __x86_64__
    .quad 0x00af9b000000ffff    /* 08 code */
#else
    .quad 0x00cf9b000000ffff
#endif
    .quad 0x00cf93000000ffff    /* 10 data */
    .quad 0x00cffb000000ffff    /* 18 code, ring 3 */
    .quad 0x00cff3000000ffff    /* 20 data, ring 3 */
    .fill 11, 8, 0
gdt_ptr:
    .word 16 * 8 - 1
    .long gdt, 0
    .align 8
    .macro ENTRY n
#ifdef __x86_64__
    .quad isr\n
#else
    .long isr\n
#endif
    .endm
isr_table:
    .set i, 0
    .rept 48
    ENTRY %i
    .set i, i + 1
    .endr
catch_sp: .quad 0
    .bss
    .align 4096
    .globl pml4, pd, pt0, stack_top
pml4: .skip 4096
pdpt: .skip 4096
pd:   .skip 4 * 4096
pt0:  .skip 4096
    .skip 32768
stack_top:
    .section .note.GNU-stack, "", @progbits
