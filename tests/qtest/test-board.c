/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pc board as a whole: what lies where after a reset, what a guest can do to that, and how it ends. */
#include <elf.h>
#include <string.h>

#include "libferry-qtest.h"

#define TEXT 0x100000u
#define TEXT_SIZE 256u
#define RAM_32M 0x2000000u
#define ACPI_AREA 0x20000u

static uint32_t config_read(struct qtest *q, unsigned slot, unsigned function, unsigned reg)
{
    qtest_outl(q, 0xcf8, 0x80000000 | slot << 11 | function << 8 | reg);
    return qtest_inl(q, 0xcfc);
}

static void config_write(struct qtest *q, unsigned slot, unsigned function, unsigned reg, uint32_t value)
{
    qtest_outl(q, 0xcf8, 0x80000000 | slot << 11 | function << 8 | reg);
    qtest_outl(q, 0xcfc, value);
}

/* A PVH kernel of 256 bytes 0x90 and as many zeros at 1 MiB. The path's owner is the caller. */
static char *write_kernel(void)
{
    struct {
        Elf32_Ehdr header;
        Elf32_Phdr segments[2];
        uint32_t note[5];
        uint8_t text[TEXT_SIZE];
    } file = {
        .header = { .e_type = ET_EXEC, .e_machine = EM_386, .e_version = 1, .e_entry = TEXT, .e_phoff = sizeof(Elf32_Ehdr),
                    .e_ehsize = sizeof(Elf32_Ehdr), .e_phentsize = sizeof(Elf32_Phdr), .e_phnum = 2 },
        .note = { 4, 4, 18, 0x006e6558 /* "Xen" */, TEXT },
    };
    memcpy(file.header.e_ident, ELFMAG "\1\1\1", 7);
    file.segments[0] = (Elf32_Phdr){ .p_type = PT_LOAD,
                                     .p_offset = (uint8_t *)file.text - (uint8_t *)&file,
                                     .p_paddr = TEXT,
                                     .p_filesz = TEXT_SIZE,
                                     .p_memsz = 2 * TEXT_SIZE };
    file.segments[1] = (Elf32_Phdr){ .p_type = PT_NOTE, .p_offset = (uint8_t *)file.note - (uint8_t *)&file,
                                     .p_filesz = sizeof(file.note), .p_align = 4 };
    memset(file.text, 0x90, TEXT_SIZE);
    char *path = qtest_path("kernel.elf");
    g_assert_true(g_file_set_contents(path, (char *)&file, sizeof(file), NULL));
    return path;
}

static struct qtest *start_with_kernel(const char *more)
{
    g_autofree char *kernel = write_kernel();
    g_autofree char *args = g_strdup_printf("-kernel %s -append 'a b' -device virtio-balloon-pci %s", kernel, more);
    return qtest_start(args);
}

static void reset(struct qtest *q)
{
    qtest_qmp_ok(q, "{'execute': 'system_reset'}");
    json_object_unref(qtest_qmp_event(q, "RESET"));
}

static void assert_table(struct qtest *q, uint32_t address, const char *signature)
{
    uint8_t header[8];
    qtest_memread(q, address, header, sizeof(header));
    g_assert_cmpmem(header, 4, signature, 4);
    uint32_t length = header[4] | header[5] << 8;
    g_autofree uint8_t *table = g_malloc(length);
    uint8_t sum = 0;
    qtest_memread(q, address, table, length);
    for (uint32_t i = 0; i < length; i++) {
        sum += table[i];
    }
    g_assert_cmpuint(sum, ==, 0);
}

static void assert_booted(struct qtest *q)
{
    g_assert_cmphex(qtest_readq(q, TEXT + TEXT_SIZE - 8), ==, 0x9090909090909090);
    g_assert_cmphex(qtest_readq(q, TEXT + TEXT_SIZE), ==, 0);
    g_assert_cmphex(qtest_readq(q, TEXT + 2 * TEXT_SIZE - 8), ==, 0);
    g_assert_cmphex(qtest_readl(q, 0x10000), ==, 0x336ec578); /* hvm_start_info */
    g_assert_cmphex(qtest_readl(q, (uint32_t)qtest_readq(q, 0x10018)), ==, 0x00622061);
    uint32_t rsdp = (uint32_t)qtest_readq(q, 0x10020), rsdt = qtest_readl(q, rsdp + 16);
    g_assert_cmphex(qtest_readq(q, rsdp), ==, 0x2052545020445352); /* "RSD PTR " */
    g_assert_cmphex(rsdt, >=, RAM_32M - ACPI_AREA);
    assert_table(q, rsdt, "RSDT");
    assert_table(q, qtest_readl(q, rsdt + 36), "FACP");
    assert_table(q, qtest_readl(q, rsdt + 40), "APIC");
    assert_table(q, qtest_readl(q, qtest_readl(q, rsdt + 36) + 40), "DSDT");
    g_assert_cmphex(config_read(q, 2, 0, 0x10), ==, 0xc001);     /* the balloon's BARs and its line */
    g_assert_cmphex(config_read(q, 2, 0, 0x20), ==, 0xfebfc00c);
    g_assert_cmphex(config_read(q, 2, 0, 0x3c), ==, 0x010a);
    g_assert_cmphex(config_read(q, 2, 0, 0x04) & 3, ==, 3);
    g_assert_cmphex(config_read(q, 1, 0, 0x60), ==, 0x0b0b0a0a);
    g_assert_cmphex(config_read(q, 1, 3, 0x40), ==, 0x601);
    g_assert_cmphex(config_read(q, 1, 3, 0x3c) & 0xff, ==, 9);
    g_assert_cmphex(qtest_inw(q, 0x4d0), ==, 0x0c00);
}

static void scribble(struct qtest *q)
{
    qtest_memset(q, 0, 0xcc, 0xa0000);
    qtest_memset(q, 0xc0000, 0xcc, 0x200000 - 0xc0000);
    qtest_memset(q, RAM_32M - ACPI_AREA, 0xcc, ACPI_AREA);
    config_write(q, 2, 0, 0x10, 0x5000);
    config_write(q, 2, 0, 0x20, 0xfe000000);
    config_write(q, 1, 0, 0x60, 0x80808080);
    config_write(q, 0, 0, 0x58, 0);
    config_write(q, 0, 0, 0x5c, 0); /* what was RAM at 0xc0000 is not */
    g_assert_cmphex(qtest_readl(q, 0xf0000), ==, 0xffffffff);
    config_write(q, 1, 3, 0x40, 0x1001);
    qtest_outw(q, 0x4d0, 0);
}

static void test_reset_restores(void)
{
    struct qtest *q = start_with_kernel("");

    assert_booted(q);
    for (int round = 0; round < 2; round++) {
        scribble(q);
        reset(q);
        assert_booted(q);
    }
    scribble(q);
    qtest_outb(q, 0xcf9, 0x06); /* by the guest; it put the ports elsewhere before */
    json_object_unref(qtest_qmp_event(q, "RESET"));
    assert_booted(q);
    qtest_quit(q);
}

/* With -incoming nothing is written until the stream is in; what is on the board is set up all the same. */
static void test_incoming_writes_nothing(void)
{
    struct qtest *q = start_with_kernel("-incoming defer");
    static const uint32_t areas[][2] = { { 0, 0xa0000 },
                                         { 0xc0000, 0x200000 - 0xc0000 },
                                         { RAM_32M - ACPI_AREA, ACPI_AREA } };

    for (unsigned i = 0; i < G_N_ELEMENTS(areas); i++) {
        g_autofree uint8_t *memory = g_malloc(areas[i][1]);
        qtest_memread(q, areas[i][0], memory, areas[i][1]);
        for (uint32_t at = 0; at < areas[i][1]; at++) {
            if (memory[at]) {
                g_error("0x%x was written", areas[i][0] + at);
            }
        }
    }
    g_assert_cmphex(config_read(q, 2, 0, 0x20), ==, 0xfebfc00c);
    qtest_quit(q);
}

static void test_memory_map(void)
{
    struct qtest *q = qtest_start("-m 4G -device virtio-balloon-pci");

    qtest_writeq(q, 0xbffffff8, 1); /* 3 GiB below the hole, one above */
    qtest_writeq(q, 0xc0000000, 2);
    qtest_writeq(q, 0x100000000, 3);
    qtest_writeq(q, 0x13ffffff8, 4);
    g_assert_cmphex(qtest_readq(q, 0xbffffff8), ==, 1);
    g_assert_cmphex(qtest_readq(q, 0xc0000000), ==, UINT64_MAX);
    g_assert_cmphex(qtest_readq(q, 0x100000000), ==, 3);
    g_assert_cmphex(qtest_readq(q, 0x13ffffff8), ==, 4);
    g_assert_cmphex(qtest_readq(q, 0x140000000), ==, UINT64_MAX);
    g_assert_cmphex(qtest_readq(q, 0xa0000), ==, UINT64_MAX);
    qtest_quit(q);
}

/* A BAR over RAM, over other devices, at the top, nowhere: RAM wins, and nothing breaks. */
static void test_bars_anywhere(void)
{
    static const uint32_t places[] = { 0x00100000, 0xfec00000, 0xfee00000, 0xfffff000, 0xffffffff, 0 };
    struct qtest *q = qtest_start("-device virtio-balloon-pci");

    qtest_writeq(q, 0x100000, 0x0123456789abcdef);
    for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
        config_write(q, 2, 0, 0x20, places[i]);
        config_write(q, 1, 3, 0x40, places[i] | 1); /* the power management ports, too */
        config_write(q, 2, 0, 0x10, places[i]);
        g_assert_cmphex(qtest_readq(q, 0x100000), ==, 0x0123456789abcdef);
        g_assert_cmphex(config_read(q, 0, 0, 0), ==, 0x12378086);
        g_assert_cmphex(qtest_readl(q, 0xfec00000), !=, 0xffffffff); /* the IOAPIC */
    }
    qtest_quit(q);
}

static void test_soft_off(void)
{
    struct qtest *q = qtest_start("-no-shutdown");

    qtest_outw(q, 0x602, 0x0100);
    qtest_qmp_ok(q, "{'execute': 'system_powerdown'}");
    json_object_unref(qtest_qmp_event(q, "POWERDOWN"));
    g_assert_cmphex(qtest_inw(q, 0x600) & 0x0100, ==, 0x0100);
    qtest_outw(q, 0x604, 0x2000);
    json_object_unref(qtest_qmp_event(q, "SHUTDOWN"));
    qtest_quit(q);
}

static void test_options(void)
{
    static const struct {
        const char *args, *why;
    } bad[] = {
        { "-machine pc,hpet=on", "hpet=on is not supported" },
        { "-machine pc,i8042=on", "i8042=on is not supported" },
        { "-machine pc,vmport=on", "vmport=on is not supported" },
        { "-machine pc,pit=off", "pit=off is not supported" },
        { "-machine pc,smm=on", "smm=on is not supported" },
        { "-machine pc,firmware=x", "option 'firmware' is not supported" },
        { "-machine pc,wings=on", "wings" },
        { "-machine q35", "q35" },
        { "-machine pc,memory-backend=none", "memory-backend=none" },
        { "-kernel /nonexistent/vmlinuz", "/nonexistent/vmlinuz" },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *args = g_strdup_printf("-accel qtest -display none %s", bad[i].args), *err = NULL;
        g_assert_cmpint(qtest_run(args, &err), ==, 1);
        if (!strstr(err, bad[i].why)) {
            g_error("%s: expected '%s' in: %s", bad[i].args, bad[i].why, err);
        }
    }
    struct qtest *q =
        qtest_start("-machine pc,usb=off,dump-guest-core=off,smm=auto,vmport=auto,hpet=off,i8042=off,graphics=off");
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/board/reset-restores", test_reset_restores);
    g_test_add_func("/qtest/board/incoming", test_incoming_writes_nothing);
    g_test_add_func("/qtest/board/memory-map", test_memory_map);
    g_test_add_func("/qtest/board/bars-anywhere", test_bars_anywhere);
    g_test_add_func("/qtest/board/soft-off", test_soft_off);
    g_test_add_func("/qtest/board/options", test_options);
    return g_test_run();
}
