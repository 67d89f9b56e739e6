# A guest of one sector: says READY, echoes what it hears on the serial port, powers off at the power button or on
# "p", sleeps (S3) on "z", panics through the pvpanic device on "x".
    .code16
    .globl _start
_start:
    ljmp $0, $start
start:
    cli                         # or the firmware's timer reads the serial port before us
    xor %ax, %ax
    mov %ax, %ds
    mov $0x602, %dx             # ACPI PM1 enable: power button
    mov $0x100, %ax
    out %ax, %dx
    mov $banner, %si
greet:
    lodsb
    test %al, %al
    jz listen
    mov $0x3f8, %dx
    out %al, %dx
    jmp greet
listen:
    mov $0x3fd, %dx
    in %dx, %al
    test $1, %al
    jz button
    mov $0x3f8, %dx
    in %dx, %al
    cmp $'p', %al
    je poweroff
    cmp $'z', %al
    je sleep
    cmp $'x', %al
    je panic
    out %al, %dx
button:
    mov $0x600, %dx             # ACPI PM1 status
    in %dx, %ax
    test $1, %ah
    jz listen
poweroff:
    mov $0x604, %dx             # ACPI PM1 control: sleep, type S5
    mov $0x2000, %ax
    out %ax, %dx
    jmp listen
sleep:
    mov $0x604, %dx             # the same, type S3: who wakes it finds no way back and boots anew
    mov $0x2400, %ax
    out %ax, %dx
    jmp listen
panic:
    mov $0xcf8, %dx             # address of the panic device's registers: bus 0, slot 19, BAR 0
    mov $0x80009810, %eax
    out %eax, %dx
    mov $0xcfc, %dx
    in %dx, %eax
    and $0xfffffff0, %eax
    mov %eax, %ebx
    lgdtl descriptors
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    mov $8, %cx
    mov %cx, %ds
    and $0xfe, %al
    mov %eax, %cr0
    movb $1, %ds:(%ebx)
    hlt
banner:
    .asciz "READY\r\n"
    .balign 8
table:
    .quad 0
    .quad 0x00cf92000000ffff
descriptors:
    .word 15
    .long table
    .org 510
    .word 0xaa55
