/* multiboot.S - option ROM behind -kernel for multiboot images: fetches the image (already laid out for
 * its load address by hw/pc/boot.c) and the boot information from fw_cfg, adds the memory map that the
 * BIOS gives, and enters the kernel in flat 32-bit protected mode.
 * Spec: Multiboot 0.6.96, sections 3.2 (machine state) and 3.3 (boot information).
 *
 * The boot information lies at INITRD_ADDR, 16-byte aligned below 1 MiB; the memory map is written behind
 * its INITRD_SIZE bytes. */
.include "roms/optrom.inc"

.set MBI_FLAGS, 0
.set MBI_MEM_LOWER, 4
.set MBI_MEM_UPPER, 8
.set MBI_MMAP_LENGTH, 44
.set MBI_MMAP_ADDR, 48
.set MBI_FLAG_MEM, 0x01
.set MBI_FLAG_MMAP, 0x40

ROM_HEADER "multiboot loader"

boot_entry:
    cli
    cld
    movw $0x8000, %ax
    movw %ax, %ss
    movl $0xf000, %esp
    LOAD_ITEM KEY_KERNEL_ADDR, KEY_KERNEL_SIZE, KEY_KERNEL_DATA
    LOAD_ITEM KEY_INITRD_ADDR, KEY_INITRD_SIZE, KEY_INITRD_DATA

    movw $KEY_INITRD_ADDR, %cx
    call fw_cfg_word
    movl %eax, %ebp                 /* linear address of the boot information, kept throughout */
    shrl $4, %eax
    movw %ax, %es                   /* es:0 is its first byte */
    movw $KEY_INITRD_SIZE, %cx
    call fw_cfg_word
    addl $3, %eax
    andl $~3, %eax
    movl %eax, %edi                 /* es:di: next map entry (its size field) */
    addl %ebp, %eax
    movl %eax, %es:MBI_MMAP_ADDR
    movl $0, %es:MBI_MEM_UPPER

    /* INT 15h E820: 20 bytes each, behind a size field of 4 */
    xorl %ebx, %ebx
4:  movl $0xe820, %eax
    movl $20, %ecx
    movl $0x534d4150, %edx
    addw $4, %di
    int $0x15
    jc 6f
    cmpl $0x534d4150, %eax
    jne 6f
    movl $20, %es:-4(%di)
    /* usable memory that begins at 1 MiB gives mem_upper */
    cmpl $0x100000, %es:(%di)
    jne 5f
    cmpl $1, %es:16(%di)
    jne 5f
    movl %es:8(%di), %eax
    shrl $10, %eax
    movl %eax, %es:MBI_MEM_UPPER
5:  addw $20, %di
    testl %ebx, %ebx
    jnz 4b
    jmp 7f
6:  subw $4, %di
7:  movzwl %di, %eax
    addl %ebp, %eax
    subl %es:MBI_MMAP_ADDR, %eax
    movl %eax, %es:MBI_MMAP_LENGTH
    int $0x12                       /* KiB of conventional memory */
    movzwl %ax, %eax
    movl %eax, %es:MBI_MEM_LOWER
    orl $(MBI_FLAG_MEM | MBI_FLAG_MMAP), %es:MBI_FLAGS
    cli

    movw $KEY_KERNEL_ENTRY, %cx
    call fw_cfg_word
    movl %eax, %esi

    /* A20, then flat protected mode; the table's address is patched in on the stack (ROMs may move). */
    inb $0x92, %al
    orb $2, %al
    andb $0xfe, %al
    outb %al, $0x92
    xorl %eax, %eax
    movw %cs, %ax
    shll $4, %eax
    movl %eax, %ebx
    addl $gdt, %eax
    pushl %eax
    pushw $(gdt_end - gdt - 1)
    movw %sp, %bx
    lgdtl %ss:(%bx)
    xorl %ebx, %ebx
    movw %cs, %bx
    shll $4, %ebx
    addl $protected, %ebx
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    pushl $8
    pushl %ebx
    lretl

    .code32
protected:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movl %ebp, %ebx
    movl $0x2badb002, %eax
    jmp *%esi
    .code16

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9a000000ffff
    .quad 0x00cf92000000ffff
gdt_end:

FW_CFG_ROUTINES
    .byte 0                         /* sign-rom: checksum */
    .balign 512, 0
_end:
