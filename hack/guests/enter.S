# What stands before an uncompressed kernel: from the 32-bit boot protocol into 64-bit mode, then on to the kernel.
# Entered at 1 MiB with %esi = boot_params, interrupts off, paging off, flat segments. The kernel lies at 2 MiB;
# page tables (an identity map of 4 GiB in pages of 2 MiB) go into the gap between.

        .set    BASE, 0x100000
        .set    KERNEL, 0x200000
        .set    PML4, BASE + 0x1000
        .set    PDPT, BASE + 0x2000
        .set    PD, BASE + 0x3000               # four pages

        .code32
        .globl  _start
_start: cli
        cld
        lgdt    gdt_pointer - _start + BASE

        movl    $PML4, %edi                     # clear all six pages
        xorl    %eax, %eax
        movl    $0x6000 / 4, %ecx
        rep stosl
        movl    $PDPT | 3, PML4                 # present, writable
        movl    $PD | 3, %eax
        movl    $PDPT, %edi
        movl    $4, %ecx
1:      movl    %eax, (%edi)
        addl    $0x1000, %eax
        addl    $8, %edi
        loop    1b
        movl    $0x83, %eax                     # present, writable, 2 MiB
        movl    $PD, %edi
        movl    $2048, %ecx
2:      movl    %eax, (%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        loop    2b

        movl    %cr4, %eax
        orl     $0x20, %eax                     # physical address extension
        movl    %eax, %cr4
        movl    $PML4, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx               # extended feature enable register
        rdmsr
        orl     $0x100, %eax                    # long mode
        wrmsr
        movl    %cr0, %eax
        orl     $0x80000000, %eax               # paging
        movl    %eax, %cr0
        ljmp    $0x10, $long_mode - _start + BASE

        .code64
long_mode:
        movl    $0x18, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %esi, %esi                      # boot_params, upper half cleared
        movl    $KERNEL, %eax
        jmp     *%rax

        .balign 8
gdt:    .quad   0, 0
        .quad   0x00af9a000000ffff              # 0x10: 64-bit code
        .quad   0x00cf92000000ffff              # 0x18: data
gdt_pointer:
        .word   . - gdt - 1
        .long   gdt - _start + BASE
