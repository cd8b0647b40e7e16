/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pc's memory map, and what a boot leaves in guest memory and registers: first time, after a reset, when it
 * cannot.
 */
#include <elf.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "hw/i386/boot.h"
#include "memory/memory.h"
#include "target/i386/cpu.h"
#include "util/bytes.h"
#include "util/main-loop.h"

#define RAM_SIZE (32ull << 20)
#define TEXT 0x200000u
#define GUEST_MAP_TOP 0x10000000000ull

static struct memory_region ram_region;
static struct ram_block *ram;
static char *folder;

/* --- The memory map --- */

/* As Linux printed it on QEMU 7.2 with 128 MiB, and the rules for more. */
static void test_e820(void)
{
    static const struct e820_entry small[] = {
        { 0, 0x9fc00, E820_RAM }, { 0x9fc00, 0x400, E820_RESERVED }, { 0xf0000, 0x10000, E820_RESERVED },
        { 0x100000, 0x7ee0000, E820_RAM }, { 0x7fe0000, 0x20000, E820_RESERVED },
        { 0xfffc0000, 0x40000, E820_RESERVED },
        { 0xfd00000000, 0x300000000, E820_RESERVED },
    };
    struct e820_map map;

    pc_e820_fill(&map, 128 << 20, 0);
    g_assert_cmpuint(map.count, ==, G_N_ELEMENTS(small));
    for (unsigned i = 0; i < map.count; i++) {
        g_assert_cmphex(map.entries[i].address, ==, small[i].address);
        g_assert_cmphex(map.entries[i].length, ==, small[i].length);
        g_assert_cmpuint(map.entries[i].type, ==, small[i].type);
    }
    g_assert_cmphex(pc_ram_below_4g(0xdffff000), ==, 0xdffff000);
    g_assert_cmphex(pc_ram_below_4g(0xe0000000), ==, 0xc0000000);
    g_assert_cmphex(pc_ram_below_4g(64ull << 30), ==, 0xc0000000);
    static const uint64_t sizes[] = { 16ull << 20, 0xdffff000, 0xe0000000, 8ull << 30, 64ull << 30 };
    for (unsigned s = 0; s < G_N_ELEMENTS(sizes); s++) {
        uint64_t below = pc_ram_below_4g(sizes[s]), usable = 0, end = 0;
        pc_e820_fill(&map, below, sizes[s] - below);
        for (unsigned i = 0; i < map.count; i++) {
            g_assert_cmphex(map.entries[i].address, >=, end); /* ascending, disjoint */
            end = map.entries[i].address + map.entries[i].length;
            usable += map.entries[i].type == E820_RAM ? map.entries[i].length : 0;
        }
        g_assert_cmphex(end, ==, GUEST_MAP_TOP);
        g_assert_cmphex(usable, ==, sizes[s] - 0x100000 - PC_ACPI_AREA_SIZE + PC_LOW_RAM_END);
    }
}

/* --- Files --- */

static char *write_file(const char *name, const void *data, size_t size)
{
    char *path = g_build_filename(folder, name, NULL);
    g_assert_true(g_file_set_contents(path, data, size, NULL));
    return path;
}

/* 64 bytes of text at 2 MiB and a page of zeros behind them. */
static char *write_kernel(bool pvh)
{
    uint8_t file[1024] = { 0 };
    Elf64_Ehdr h = { .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = 1, .e_entry = TEXT + 8,
                     .e_phoff = sizeof(h),
                     .e_ehsize = sizeof(h), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = pvh ? 2 : 1 };
    Elf64_Phdr p[2] = {
        { .p_type = PT_LOAD, .p_offset = 512, .p_paddr = TEXT, .p_filesz = 64, .p_memsz = 64 + 4096 },
        { .p_type = PT_NOTE, .p_offset = 768, .p_filesz = 20, .p_align = 4 },
    };

    memcpy(h.e_ident, ELFMAG "\2\1\1", 7);
    memcpy(file, &h, sizeof(h));
    memcpy(file + sizeof(h), p, sizeof(p));
    memset(file + 512, 0x90, 64);
    store_le32(file + 768, 4);
    store_le32(file + 772, 4);
    store_le32(file + 776, 18);
    memcpy(file + 780, "Xen", 4);
    store_le32(file + 784, TEXT + 16);
    return write_file(pvh ? "pvh.elf" : "linux64.elf", file, sizeof(file));
}

static uint64_t peek(hwaddr address, unsigned size)
{
    uint64_t value = 0;
    g_assert_true(address_space_read(&address_space_memory, address, &value, size));
    return value;
}

static struct boot *prepare(const char *kernel, const char *initrd, const char *append, GError **error)
{
    struct boot *boot = boot_new();
    struct e820_map map;

    pc_e820_fill(&map, RAM_SIZE, 0);
    struct boot_request request = { .kernel = kernel, .initrd = initrd, .append = append, .e820 = &map,
                                    .ram_end = RAM_SIZE - PC_ACPI_AREA_SIZE, .rsdp_address = PC_BIOS_AREA };
    if (!boot_prepare(boot, &request, error)) {
        boot_free(boot);
        return NULL;
    }
    return boot;
}

static void assert_placed(uint64_t initrd_address)
{
    g_assert_cmphex(peek(TEXT + 56, 8), ==, 0x9090909090909090);
    g_assert_cmphex(peek(TEXT + 64, 8), ==, 0);
    g_assert_cmphex(peek(TEXT + 64 + 4088, 8), ==, 0);
    g_assert_cmphex(peek(BOOT_START_INFO, 4), ==, 0x336ec578);
    g_assert_cmpuint(peek(BOOT_START_INFO + 12, 4), ==, 1);
    uint64_t modules = peek(BOOT_START_INFO + 16, 8), cmdline = peek(BOOT_START_INFO + 24, 8);
    uint64_t memmap = peek(BOOT_START_INFO + 40, 8);
    g_assert_cmphex(peek(BOOT_START_INFO + 32, 8), ==, PC_BIOS_AREA);
    g_assert_cmpuint(peek(BOOT_START_INFO + 48, 4), ==, 7);
    char text[16];
    address_space_read(&address_space_memory, cmdline, text, sizeof(text));
    g_assert_cmpstr(text, ==, "console=ttyS0");
    g_assert_cmphex(peek(modules, 8), ==, initrd_address);
    g_assert_cmphex(peek(modules + 8, 8), ==, 5000);
    g_assert_cmphex(peek(initrd_address, 8), ==, 0x4242424242424242);
    g_assert_cmphex(peek(initrd_address + 4999, 1), ==, 0x42);
    g_assert_cmphex(peek(memmap + 3 * 24, 8), ==, 0x100000);
    g_assert_cmphex(peek(memmap + 3 * 24 + 8, 8), ==, RAM_SIZE - PC_ACPI_AREA_SIZE - 0x100000);
}

static struct x86_cpu *new_cpu(void)
{
    struct x86_cpu *cpu = g_new0(struct x86_cpu, 1);
    cpu->model = x86_cpu_model_parse("qemu64", &cpu->features, NULL);
    x86_cpu_reset(cpu, false);
    return cpu;
}

static void test_pvh(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *kernel = write_kernel(true);
    uint8_t contents[5000];
    memset(contents, 0x42, sizeof(contents));
    g_autofree char *initrd = write_file("initrd", contents, sizeof(contents));
    uint64_t initrd_address = (RAM_SIZE - PC_ACPI_AREA_SIZE - sizeof(contents)) & ~0xfffull;

    struct boot *boot = prepare(kernel, initrd, "console=ttyS0", &error);
    g_assert_no_error(error);
    g_assert_cmphex(peek(TEXT, 8), ==, 0); /* preparing writes nothing */
    boot_place(boot);
    assert_placed(initrd_address);

    /* The guest ran over all of it, and the files are gone: a reset brings it back. */
    g_remove(kernel);
    g_remove(initrd);
    memset(ram->host, 0xcc, RAM_SIZE);
    boot_place(boot);
    assert_placed(initrd_address);

    struct x86_cpu *cpu = new_cpu();
    boot_enter(boot, cpu);
    g_assert_cmphex(cpu->regs[R_RIP], ==, TEXT + 16);
    g_assert_cmphex(cpu->regs[R_RBX], ==, BOOT_START_INFO);
    g_assert_cmphex(cpu->cr0 & (CR0_PE | CR0_PG), ==, CR0_PE);
    g_assert_cmphex(cpu->segs[S_CS].flags & (SEG_B | SEG_L), ==, SEG_B);
    g_assert_cmphex(cpu->segs[S_DS].limit, ==, UINT32_MAX);
    g_assert_cmphex(cpu->eflags & EFLAGS_IF, ==, 0);
    g_free(cpu);
    boot_free(boot);
}

static void test_linux64(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *kernel = write_kernel(false);
    struct boot *boot = prepare(kernel, NULL, "x", &error);
    g_assert_no_error(error);
    boot_place(boot);
    g_assert_cmphex(peek(BOOT_START_INFO + 0x202, 4), ==, 0x53726448);
    g_assert_cmphex(peek(BOOT_START_INFO + 0x228, 4), ==, BOOT_CMDLINE);
    g_assert_cmpuint(peek(BOOT_START_INFO + 0x1e8, 1), ==, 7);
    g_assert_cmphex(peek(BOOT_START_INFO + 0x2d0 + 3 * 20, 8), ==, 0x100000);
    g_assert_cmphex(peek(BOOT_START_INFO + 0x70, 8), ==, PC_BIOS_AREA);
    g_assert_cmphex(peek(BOOT_PAGE_TABLES, 8), ==, BOOT_PAGE_TABLES + 0x1003);
    g_assert_cmphex(peek(BOOT_PAGE_TABLES + 0x5000 + 511 * 8, 8), ==, 0xffe00083);

    struct x86_cpu *cpu = new_cpu();
    boot_enter(boot, cpu);
    g_assert_cmphex(cpu->regs[R_RIP], ==, TEXT + 8);
    g_assert_cmphex(cpu->regs[R_RSI], ==, BOOT_START_INFO);
    g_assert_cmphex(cpu->efer, ==, EFER_LME | EFER_LMA);
    g_assert_cmphex(cpu->cr3, ==, BOOT_PAGE_TABLES);
    g_assert_cmphex(cpu->cr0 & CR0_PG, ==, CR0_PG);
    g_assert_cmphex(cpu->segs[S_CS].selector, ==, 0x10);
    g_assert_cmphex(cpu->segs[S_CS].flags & (SEG_B | SEG_L), ==, SEG_L);
    g_free(cpu);
    boot_free(boot);
    g_remove(kernel);
}

static void assert_refused(const char *kernel, const char *initrd, const char *append, const char *why)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(prepare(kernel, initrd, append, &error));
    if (!strstr(error->message, why)) {
        g_error("expected '%s' in: %s", why, error->message);
    }
}

static void test_refused(void)
{
    g_autofree char *kernel = write_kernel(true);
    g_autofree char *initrd = g_build_filename(folder, "large", NULL);
    g_autofree char *append = g_strnfill(5000, 'a');

    assert_refused("/nonexistent", NULL, NULL, "/nonexistent");
    assert_refused(kernel, "/nonexistent", NULL, "could not load initrd '/nonexistent'");
    assert_refused(kernel, "/", NULL, "not a regular file");
    assert_refused(kernel, NULL, append, "command line has 5000 bytes");
    g_assert_true(g_file_set_contents(initrd, "", 0, NULL));
    g_assert_cmpint(truncate(initrd, RAM_SIZE), ==, 0);
    assert_refused(kernel, initrd, NULL, "does not fit");
    g_remove(initrd);
    g_remove(kernel);
}

/* The kernels that are installed here, if any: Debian's have PVH's entry. */
static void test_installed(void)
{
    GDir *boot_folder = g_dir_open("/boot", 0, NULL);
    const char *name;
    int seen = 0;

    while (boot_folder && (name = g_dir_read_name(boot_folder))) {
        g_autofree char *path = g_build_filename("/boot", name, NULL);
        g_autoptr(GError) error = NULL;
        if (!g_str_has_prefix(name, "vmlinuz-") || access(path, R_OK)) {
            continue;
        }
        struct kernel_image *image = kernel_image_load(path, &error);
        g_assert_no_error(error);
        g_assert_cmphex(image->low, >=, 0x100000);
        g_assert_cmphex(image->high - image->low, >, 8 << 20);
        if (strstr(name, "-amd64")) {
            g_assert_cmpint(image->entry, ==, KERNEL_ENTRY_PVH);
        }
        kernel_image_free(image);
        seen++;
    }
    if (boot_folder) {
        g_dir_close(boot_folder);
    }
    if (!seen) {
        g_test_skip("no kernel in /boot");
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    ram = ram_block_new("pc.ram", RAM_SIZE, NULL);
    memory_region_init_ram(&ram_region, ram, "pc.ram", RAM_SIZE);
    memory_region_add(&system_memory, 0, &ram_region, 0);
    folder = g_dir_make_tmp("ferry-boot-XXXXXX", NULL);
    g_test_add_func("/boot/e820", test_e820);
    g_test_add_func("/boot/pvh", test_pvh);
    g_test_add_func("/boot/linux64", test_linux64);
    g_test_add_func("/boot/refused", test_refused);
    g_test_add_func("/boot/installed", test_installed);
    int status = g_test_run();
    g_rmdir(folder);
    return status;
}
