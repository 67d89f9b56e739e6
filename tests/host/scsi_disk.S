# Preloaded into QEMU, it makes each block device a SCSI disk: commands succeed, and what they read is zero. Reservation
# commands do not come here: QEMU has passed them to its helper before.

    .text
    .globl ioctl
    .type ioctl, @function
ioctl:
    cmpl $0x2282, %esi              # SG_GET_VERSION_NUM
    je version
    cmpl $0x2285, %esi              # SG_IO
    je command
    movl $16, %eax                  # any other goes to the kernel
    syscall
    cmpq $-4095, %rax
    jae failed
    ret
failed:
    pushq %rax
    call __errno_location@PLT
    popq %rcx
    negl %ecx
    movl %ecx, (%rax)
    movl $-1, %eax
    ret
version:
    movl $30536, (%rdx)
    xorl %eax, %eax
    ret
command:
    movq $0, 64(%rdx)               # status of target, host and driver
    movl $0, 72(%rdx)               # bytes that are missing
    cmpl $-3, 4(%rdx)               # a command that reads
    jne done
    movl 12(%rdx), %ecx
    movq 16(%rdx), %rdi
    xorl %eax, %eax
    rep stosb
done:
    xorl %eax, %eax
    ret
    .size ioctl, . - ioctl
    .section .note.GNU-stack, "", @progbits
