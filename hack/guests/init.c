/* The first program of the guest `tiny`: load the drivers of disks, mount the one labelled `tiny`, go on there.
 *
 * Free-standing, because a C library or a busybox in the initramfs would be the last straw in 61 MiB of memory.
 * /modules/order names the drivers in the order to load them; each file is removed once it is loaded. */

#include <fcntl.h>
#include <linux/module.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#define LABEL "tiny"
#define TRIES 1000 /* of 20 ms each: a USB disk may take seconds to appear */

static long call(long number, long a, long b, long c, long d, long e)
{
    long result;
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}

static long open_file(const char *path) { return call(SYS_open, (long)path, O_RDONLY, 0, 0, 0); }
static void close_file(long file) { call(SYS_close, file, 0, 0, 0, 0); }

static void mount_at(const char *source, const char *target, const char *type, long flags)
{
    call(SYS_mount, (long)source, (long)target, (long)type, flags, 0);
}

static void say(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    long console = call(SYS_open, (long)"/dev/console", O_WRONLY, 0, 0, 0);
    call(SYS_write, console, (long)text, length, 0, 0);
    close_file(console);
}

/* Read a whole small file as text; "" if it is not there. */
static char *text_of(const char *path)
{
    static char text[8192];
    long file = open_file(path), length = 0, more;
    while (file >= 0 && (more = call(SYS_read, file, (long)text + length, sizeof text - 1 - length, 0, 0)) > 0)
        length += more;
    text[length] = 0;
    close_file(file);
    return text;
}

/* Cut the next word off a text. */
static char *next_word(char **text)
{
    while (**text == ' ' || **text == '\n')
        ++*text;
    char *word = *text;
    while (**text && **text != ' ' && **text != '\n')
        ++*text;
    if (**text)
        *(*text)++ = 0;
    return *word ? word : NULL;
}

static void join(char *target, const char *folder, const char *name)
{
    while (*folder)
        *target++ = *folder++;
    while ((*target++ = *name++))
        ;
}

static void load_drivers(void)
{
    char path[128], *word, *order = text_of("/modules/order");
    while ((word = next_word(&order))) {
        join(path, "/modules/", word);
        long file = open_file(path);
        call(SYS_finit_module, file, (long)"", 0, 0, 0); /* fails where the hardware is not there: no matter */
        close_file(file);
        call(SYS_unlink, (long)path, 0, 0, 0, 0);
    }
}

/* Whether a device holds an ext file system with our label; its superblock is at 1024. */
static int is_root(const char *device)
{
    unsigned char block[1024];
    long file = open_file(device);
    long length = call(SYS_pread64, file, (long)block, sizeof block, 1024, 0);
    close_file(file);
    if (length != sizeof block || block[0x38] != 0x53 || block[0x39] != 0xef)
        return 0;
    for (size_t i = 0; i < sizeof LABEL; i++)
        if (block[0x78 + i] != LABEL[i])
            return 0;
    return 1;
}

static int find_root(char *device)
{
    char *word, *partitions = text_of("/proc/partitions");
    for (int column = 0; (word = next_word(&partitions)); column++) {
        if (column % 4 != 3)
            continue;
        join(device, "/dev/", word);
        if (is_root(device))
            return 1;
    }
    return 0;
}

__attribute__((force_align_arg_pointer, noreturn)) void _start(void)
{
    const long pause[2] = {0, 20 * 1000 * 1000};
    char device[128];
    char *const arguments[] = {"/sbin/init", NULL}, *const environment[] = {"HOME=/", "TERM=linux", NULL};

    mount_at("proc", "/proc", "proc", 0);
    mount_at("devtmpfs", "/dev", "devtmpfs", 0);
    load_drivers();
    for (int tries = 0; !find_root(device); tries++) {
        if (tries == TRIES)
            say("init: no disk has a file system labelled " LABEL "\n");
        call(SYS_nanosleep, (long)pause, 0, 0, 0, 0);
    }
    mount_at(device, "/root", "ext4", MS_NOATIME);
    mount_at("/dev", "/root/dev", NULL, MS_MOVE);
    mount_at("/proc", "/root/proc", NULL, MS_MOVE);
    call(SYS_unlink, (long)"/init", 0, 0, 0, 0);
    call(SYS_chdir, (long)"/root", 0, 0, 0, 0);
    mount_at(".", "/", NULL, MS_MOVE);
    call(SYS_chroot, (long)".", 0, 0, 0, 0);
    call(SYS_execve, (long)arguments[0], (long)arguments, (long)environment, 0, 0);
    say("init: cannot run /sbin/init\n");
    for (;;)
        call(SYS_nanosleep, (long)pause, 0, 0, 0, 0);
}
