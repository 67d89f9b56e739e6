/* A guest's own driver for a virtiofs device, which says what no kernel says: names with slashes and `..` in them.
 *
 * fuse TAG VERB PATH ...
 *
 * No virtiofs may be mounted. The device with this tag is taken from the kernel, and given back at the end. A PATH is
 * looked up name by name; names are parted by `|` and sent as they are.
 * Each attempt prints one line: `VERB PATH: ` and what was read, `done`, or `error` with its number. Verbs: `read` a
 * file, `list` a folder, `is` (the inode's number), `make` a file, `folder`, `link` (to the file `note` of the share),
 * `symlink`, `fifo`, `take` (rename to `taken` in the share), `give` (rename `note` to it), `remove`. */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/fuse.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define SLOTS 8
#define REQUESTS 1 /* the queue; 0 is for what is urgent */
#define DEADLINE_S 10
#define VIRTIO_ID 0x105a /* PCI's id of file systems */

static volatile struct virtio_pci_common_cfg *common;
static volatile uint16_t *bell;
static struct vring ring;
static char *asked, *told; /* a page each */
static uint64_t asked_at, told_at;

static void fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

/* A page of memory, and its address as the device sees it. */
static char *page(uint64_t *address)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE;
    char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
    int map = open("/proc/self/pagemap", O_RDONLY);
    uint64_t entry = 0;
    if (memory == MAP_FAILED || map < 0 || pread(map, &entry, 8, (uintptr_t)memory / PAGE * 8) != 8)
        fail("memory");
    close(map);
    *address = (entry & ((1ULL << 55) - 1)) * PAGE;
    return memory;
}

static int open_in(const char *folder, const char *name, int flags)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int file = open(path, flags);
    if (file < 0)
        fail(path);
    return file;
}

/* What a capability of the device points to; with `cap` that capability as it is. */
static volatile char *part(const char *device, int kind, struct virtio_pci_notify_cap *cap)
{
    int config = open_in(device, "config", O_RDWR);
    uint8_t at = 0;
    for (pread(config, &at, 1, 0x34); at; at = cap->cap.cap_next) {
        pread(config, cap, sizeof *cap, at);
        if (cap->cap.cap_vndr == 9 && cap->cap.cfg_type == kind) {
            char name[20];
            snprintf(name, sizeof name, "resource%d", cap->cap.bar);
            int bar = open_in(device, name, O_RDWR | O_SYNC);
            uint32_t first = cap->cap.offset / PAGE * PAGE;
            uint32_t before = cap->cap.offset - first;
            char *memory = mmap(NULL, before + cap->cap.length, PROT_READ | PROT_WRITE, MAP_SHARED, bar, first);
            if (memory == MAP_FAILED)
                fail(name);
            return memory + before;
        }
    }
    errno = ENODEV;
    fail("no part of the device");
    return NULL;
}

/* Take a device from the kernel's driver, or give it back. */
static void drive(const char *device, const char *how)
{
    int file = open_in("/sys/bus/pci/drivers/virtio-pci", how, O_WRONLY);
    const char *address = strrchr(device, '/') + 1;
    if (write(file, address, strlen(address)) < 0)
        fail(how);
    close(file);
}

static int has_tag(const char *device, const char *tag)
{
    struct virtio_pci_notify_cap cap;
    int config = open_in(device, "config", O_RDWR);
    uint16_t id = 0, command = 0;
    pread(config, &id, 2, 2);
    if (id != VIRTIO_ID)
        return 0;
    drive(device, "unbind");
    pread(config, &command, 2, 4);
    command |= 6; /* memory, bus master */
    pwrite(config, &command, 2, 4);
    close(config);
    volatile struct virtio_fs_config *found = (void *)part(device, VIRTIO_PCI_CAP_DEVICE_CFG, &cap);
    size_t at = 0;
    while (tag[at] && found->tag[at] == (uint8_t)tag[at])
        at++;
    if (!tag[at] && !found->tag[at])
        return 1;
    drive(device, "bind");
    return 0;
}

static void start(const char *device)
{
    struct virtio_pci_notify_cap cap;
    common = (void *)part(device, VIRTIO_PCI_CAP_COMMON_CFG, &cap);
    volatile char *bells = part(device, VIRTIO_PCI_CAP_NOTIFY_CFG, &cap);
    common->device_status = 0;
    while (common->device_status)
        ;
    common->device_status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
    common->guest_feature_select = 0;
    common->guest_feature = 0;
    common->guest_feature_select = 1;
    common->guest_feature = 1u << (VIRTIO_F_VERSION_1 - 32);
    common->device_status |= VIRTIO_CONFIG_S_FEATURES_OK;
    for (int queue = 0; queue <= REQUESTS; queue++) {
        uint64_t at;
        char *memory = page(&at);
        common->queue_select = queue;
        common->queue_size = SLOTS;
        vring_init(&ring, SLOTS, memory, 512);
        common->queue_desc_lo = at, common->queue_desc_hi = at >> 32;
        at += (char *)ring.avail - memory;
        common->queue_avail_lo = at, common->queue_avail_hi = at >> 32;
        at += (char *)ring.used - (char *)ring.avail;
        common->queue_used_lo = at, common->queue_used_hi = at >> 32;
        common->queue_enable = 1;
        bell = (void *)(bells + common->queue_notify_off * cap.notify_off_multiplier);
    }
    common->device_status |= VIRTIO_CONFIG_S_DRIVER_OK;
    asked = page(&asked_at), told = page(&told_at);
}

/* Ask the server; 0 or the error it gave. The body of its answer is behind the header in `told`. */
static int ask(uint32_t opcode, uint64_t node, const void *head, size_t head_size, const char *text, size_t text_size)
{
    static uint64_t unique;
    size_t size = sizeof(struct fuse_in_header) + head_size + text_size;
    struct fuse_in_header header = {.len = size, .opcode = opcode, .unique = ++unique, .nodeid = node};
    memcpy(asked, &header, sizeof header);
    memcpy(asked + sizeof(struct fuse_in_header), head, head_size);
    memcpy(asked + sizeof(struct fuse_in_header) + head_size, text, text_size);
    memset(told, 0, PAGE);
    ring.desc[0] = (struct vring_desc){asked_at, size, VRING_DESC_F_NEXT, 1};
    ring.desc[1] = (struct vring_desc){told_at, PAGE, VRING_DESC_F_WRITE, 0};
    ring.avail->ring[ring.avail->idx % SLOTS] = 0;
    __sync_synchronize();
    ring.avail->idx++;
    __sync_synchronize();
    *bell = REQUESTS;
    for (time_t end = time(NULL) + DEADLINE_S; *(volatile uint16_t *)&ring.used->idx != ring.avail->idx; usleep(100))
        if (time(NULL) > end) {
            printf("no answer\n");
            exit(1);
        }
    __sync_synchronize();
    return -((struct fuse_out_header *)told)->error;
}

#define ANSWER(type) ((type *)(told + sizeof(struct fuse_out_header)))
#define ASK(opcode, node, head, text, size) ask(opcode, node, &(head), sizeof(head), text, size)

/* Look up all names of a path but the last, or all; the last one, and the node it is looked for in. */
static int walk(char *path, int all, uint64_t *node, char **last)
{
    *node = FUSE_ROOT_ID;
    for (char *next; (next = strchr(path, '|')) || all; path = next + 1) {
        if (next)
            *next = 0;
        int error = ask(FUSE_LOOKUP, *node, NULL, 0, path, strlen(path) + 1);
        if (error)
            return error;
        *node = ANSWER(struct fuse_entry_out)->nodeid;
        if (!next)
            break;
    }
    *last = path;
    return 0;
}

static int read_file(uint64_t node, int folder)
{
    struct fuse_open_in flags = {.flags = O_RDONLY};
    int error = ASK(folder ? FUSE_OPENDIR : FUSE_OPEN, node, flags, "", 0);
    if (error)
        return error;
    struct fuse_read_in want = {.fh = ANSWER(struct fuse_open_out)->fh, .size = 2048};
    if ((error = ASK(folder ? FUSE_READDIR : FUSE_READ, node, want, "", 0)))
        return error;
    char *at = ANSWER(char), *end = told + ((struct fuse_out_header *)told)->len;
    if (!folder) {
        fwrite(at, 1, strcspn(at, "\n"), stdout);
        return 0;
    }
    for (struct fuse_dirent *one; at < end; at += FUSE_DIRENT_SIZE(one)) {
        one = (void *)at;
        printf("%.*s ", (int)one->namelen, one->name);
    }
    return 0;
}

static int attempt(const char *verb, char *path)
{
    int looks = !strcmp(verb, "read") || !strcmp(verb, "list") || !strcmp(verb, "is");
    uint64_t node;
    char *name, both[200];
    int error = walk(path, looks, &node, &name);
    if (error)
        return error;
    if (!strcmp(verb, "is"))
        return printf("%llu", (unsigned long long)ANSWER(struct fuse_entry_out)->attr.ino), 0;
    if (looks)
        return read_file(node, !strcmp(verb, "list"));
    size_t size = strlen(name) + 1;
    struct fuse_create_in make = {.flags = O_CREAT | O_WRONLY, .mode = S_IFREG | 0644};
    struct fuse_mkdir_in folder = {.mode = 0755};
    struct fuse_mknod_in fifo = {.mode = S_IFIFO | 0644};
    struct fuse_rename_in rename = {.newdir = node};
    struct fuse_link_in link = {0};
    if (!strcmp(verb, "make"))
        error = ASK(FUSE_CREATE, node, make, name, size);
    else if (!strcmp(verb, "folder"))
        error = ASK(FUSE_MKDIR, node, folder, name, size);
    else if (!strcmp(verb, "fifo"))
        error = ASK(FUSE_MKNOD, node, fifo, name, size);
    else if (!strcmp(verb, "remove"))
        error = ask(FUSE_UNLINK, node, NULL, 0, name, size);
    else if (!strcmp(verb, "symlink"))
        error = ask(FUSE_SYMLINK, node, NULL, 0, both, snprintf(both, sizeof both, "%s%cnote", name, 0) + 1);
    else if (!strcmp(verb, "take"))
        error = ASK(FUSE_RENAME, node, rename, both, snprintf(both, sizeof both, "%s%ctaken", name, 0) + 1);
    else if (!strcmp(verb, "give"))
        error = ASK(FUSE_RENAME, FUSE_ROOT_ID, rename, both, snprintf(both, sizeof both, "note%c%s", 0, name) + 1);
    else if (!strcmp(verb, "link") && !(error = ask(FUSE_LOOKUP, FUSE_ROOT_ID, NULL, 0, "note", 5))) {
        link.oldnodeid = ANSWER(struct fuse_entry_out)->nodeid;
        error = ASK(FUSE_LINK, node, link, name, size);
    }
    if (!error)
        printf("done");
    return error;
}

int main(int count, char **words)
{
    glob_t devices;
    char *device = NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    glob("/sys/bus/pci/devices/*", 0, NULL, &devices);
    for (size_t one = 0; one < devices.gl_pathc && !device; one++)
        if (has_tag(devices.gl_pathv[one], words[1]))
            device = devices.gl_pathv[one];
    if (!device)
        fail("no such tag");
    start(device);
    struct fuse_init_in hello = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_readahead = 4096};
    if (ask(FUSE_INIT, 0, &hello, 16, "", 0))
        fail("the server does not begin");
    for (int word = 2; word + 1 < count; word += 2) {
        char path[200];
        snprintf(path, sizeof path, "%s", words[word + 1]);
        printf("%s %s: ", words[word], words[word + 1]);
        int error = attempt(words[word], path);
        if (error)
            printf("error %d", error);
        printf("\n");
    }
    common->device_status = 0;
    drive(device, "bind");
    return 0;
}
