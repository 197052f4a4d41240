/* multiboot.S - option ROM behind -kernel for multiboot images: fetches the image (already laid out for
 * its load address by hw/pc/boot.c) and the boot information from fw_cfg, adds the memory map that the
 * BIOS gives, and enters the kernel in flat 32-bit protected mode.
 * Spec: Multiboot 0.6.96, sections 3.2 (machine state) and 3.3 (boot information).
 *
 * The boot information lies at INITRD_ADDR, anywhere; the memory map is left in conventional
 * memory, at SCRATCH, high enough for images that are linked for real mode (from 8000h on). */
.include "roms/optrom.inc"

.set MBI_FLAGS, 0
.set MBI_MEM_LOWER, 4
.set MBI_MEM_UPPER, 8
.set MBI_MMAP_LENGTH, 44
.set MBI_MMAP_ADDR, 48
.set MBI_FLAG_MEM, 0x01
.set MBI_FLAG_MMAP, 0x40

.set SCRATCH, 0x90000
.set MEM_LOWER, 0                   /* offsets in it */
.set MEM_UPPER, 4
.set MAP_LENGTH, 8
.set MAP, 16

ROM_HEADER "multiboot loader"

boot_entry:
    cli
    cld
    movw $0x8000, %ax
    movw %ax, %ss
    movl $0xf000, %esp
    LOAD_ITEM KEY_KERNEL_ADDR, KEY_KERNEL_SIZE, KEY_KERNEL_DATA
    LOAD_ITEM KEY_INITRD_ADDR, KEY_INITRD_SIZE, KEY_INITRD_DATA

    /* The block may lie above 1 MiB: what the BIOS knows is collected in low memory, and put into the
     * block from protected mode. */
    movw $SCRATCH / 16, %ax
    movw %ax, %es
    movl $0, %es:MEM_UPPER
    movw $MAP, %di

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
    movl %eax, %es:MEM_UPPER
5:  addw $20, %di
    testl %ebx, %ebx
    jnz 4b
    jmp 7f
6:  subw $4, %di
7:  subw $MAP, %di
    movzwl %di, %eax
    movl %eax, %es:MAP_LENGTH
    int $0x12                       /* KiB of conventional memory */
    movzwl %ax, %eax
    movl %eax, %es:MEM_LOWER
    cli

    movw $KEY_KERNEL_ENTRY, %cx
    call fw_cfg_word
    movl %eax, %esi
    movw $KEY_INITRD_ADDR, %cx
    call fw_cfg_word
    movl %eax, %ebp                 /* the block */

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
    movl SCRATCH + MEM_LOWER, %eax
    movl %eax, MBI_MEM_LOWER(%ebx)
    movl SCRATCH + MEM_UPPER, %eax
    movl %eax, MBI_MEM_UPPER(%ebx)
    movl SCRATCH + MAP_LENGTH, %eax
    movl %eax, MBI_MMAP_LENGTH(%ebx)
    movl $SCRATCH + MAP, MBI_MMAP_ADDR(%ebx)
    orl $(MBI_FLAG_MEM | MBI_FLAG_MMAP), MBI_FLAGS(%ebx)
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
