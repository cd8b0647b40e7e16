/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACPI tables: sums, links between them, and what ACPICA's compiler thinks of the DSDT (where it is installed). */
#include <glib/gstdio.h>
#include <string.h>

#include "hw/acpi/aml.h"
#include "hw/acpi/tables.h"
#include "util/bytes.h"

#define ADDRESS 0x07fe0000u

static const uint32_t apic_ids[] = { 0, 1, 2, 3 };
static const struct acpi_board board = {
    .cpu_count = 4,
    .apic_ids = apic_ids,
    .pci_hole_first = 0x08000000,
    .pci_hole_last = 0xfebfffff,
    .serial = { { 0x3f8, 4 }, { 0 }, { 0x3e8, 5 } },
    .rtc = true,
    .pvpanic_port = 0x505,
    .hotplug_slots = 0xfffffffc,
};

static const uint8_t *table_at(const GByteArray *tables, uint32_t address, const char *signature)
{
    g_assert_cmpuint(address, >=, ADDRESS);
    g_assert_cmpuint(address - ADDRESS + 36, <=, tables->len);
    const uint8_t *table = tables->data + (address - ADDRESS);
    g_assert_cmpmem(table, 4, signature, 4);
    g_assert_cmpuint(load_le32(table + 4), <=, tables->len - (address - ADDRESS));
    return table;
}

static unsigned sum(const uint8_t *data, size_t length)
{
    uint8_t total = 0;
    for (size_t i = 0; i < length; i++) {
        total += data[i];
    }
    return total;
}

static void test_tables(void)
{
    uint8_t rsdp[ACPI_RSDP_SIZE];
    g_autoptr(GByteArray) tables = acpi_tables_build(&board, ADDRESS, rsdp);

    g_assert_cmpmem(rsdp, 8, "RSD PTR ", 8);
    g_assert_cmpuint(sum(rsdp, sizeof(rsdp)), ==, 0);
    const uint8_t *rsdt = table_at(tables, load_le32(rsdp + 16), "RSDT");
    g_assert_cmpuint(sum(rsdt, load_le32(rsdt + 4)), ==, 0);
    g_assert_cmpuint(load_le32(rsdt + 4), ==, 36 + 2 * 4);

    const uint8_t *fadt = table_at(tables, load_le32(rsdt + 36), "FACP");
    g_assert_cmpuint(load_le32(fadt + 4), ==, 244);
    g_assert_cmpuint(sum(fadt, 244), ==, 0);
    g_assert_cmpuint(load_le16(fadt + 46), ==, 9);
    g_assert_cmphex(load_le32(fadt + 76), ==, 0x608);
    g_assert_cmphex(load_le32(fadt + 80), ==, 0xafe0);
    g_assert_cmphex(load_le64(fadt + 140), ==, load_le32(fadt + 40));
    const uint8_t *facs = table_at(tables, load_le32(fadt + 36), "FACS");
    g_assert_cmpuint((facs - tables->data) % 64, ==, 0);
    const uint8_t *dsdt = table_at(tables, load_le32(fadt + 40), "DSDT");
    g_assert_cmpuint(sum(dsdt, load_le32(dsdt + 4)), ==, 0);

    const uint8_t *madt = table_at(tables, load_le32(rsdt + 40), "APIC");
    g_assert_cmpuint(sum(madt, load_le32(madt + 4)), ==, 0);
    g_assert_cmphex(load_le32(madt + 36), ==, 0xfee00000);
}

/* Entry by entry: 4 local APICs, the IOAPIC, IRQ 0 on pin 2, four level-triggered lines, LINT1 as NMI. */
static void test_madt(void)
{
    static const uint8_t expected[] = {
        0, 8, 0, 0, 1, 0, 0, 0,  0, 8, 1, 1, 1, 0, 0, 0,  0, 8, 2, 2, 1, 0, 0, 0,  0, 8, 3, 3, 1, 0, 0, 0,
        1, 12, 0, 0, 0x00, 0x00, 0xc0, 0xfe, 0, 0, 0, 0,
        2, 10, 0, 0, 2, 0, 0, 0, 0, 0,     2, 10, 0, 5, 5, 0, 0, 0, 0x0d, 0,  2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0,
        2, 10, 0, 10, 10, 0, 0, 0, 0x0d, 0,  2, 10, 0, 11, 11, 0, 0, 0, 0x0d, 0,
        4, 6, 0xff, 0, 0, 1,
    };
    uint8_t rsdp[ACPI_RSDP_SIZE];
    g_autoptr(GByteArray) tables = acpi_tables_build(&board, ADDRESS, rsdp);
    const uint8_t *rsdt = table_at(tables, load_le32(rsdp + 16), "RSDT");
    const uint8_t *madt = table_at(tables, load_le32(rsdt + 40), "APIC");

    g_assert_cmpmem(madt + 44, load_le32(madt + 4) - 44, expected, sizeof(expected));
}

static void test_aml_encoding(void)
{
    /* Name(_HID, EisaId("PNP0A03")), Device(AB) { Name(\X.Y_, 0x1234) }, Package of 70 zeros: a two-byte length */
    static const uint8_t expected[] = {
        0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0a, 0x03,
        0x5b, 0x82, 0x13, 'A', 'B', '_', '_', 0x08, '\\', 0x2e, 'X', '_', '_', '_', 'Y', '_', '_', '_', 0x0b, 0x34, 0x12,
        0x12, 0x49, 0x04, 70,
    };
    struct aml aml;

    aml_init(&aml);
    aml_name(&aml, "_HID");
    aml_eisa_id(&aml, "PNP0A03");
    aml_device(&aml, "AB");
    aml_name(&aml, "\\X.Y");
    aml_integer(&aml, 0x1234);
    aml_close(&aml);
    aml_package(&aml, 70);
    for (int i = 0; i < 70; i++) {
        aml_integer(&aml, 0);
    }
    aml_close(&aml);
    g_autoptr(GByteArray) code = aml_finish(&aml);
    g_assert_cmpuint(code->len, ==, sizeof(expected) + 70);
    g_assert_cmpmem(code->data, sizeof(expected), expected, sizeof(expected));
}

static char *run_iasl(const char *folder, const char *const *arguments)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    char *out = NULL;
    g_autofree char *err = NULL;
    int status;

    g_ptr_array_add(argv, (char *)"iasl");
    for (const char *const *a = arguments; *a; a++) {
        g_ptr_array_add(argv, (char *)*a);
    }
    g_ptr_array_add(argv, NULL);
    g_assert_true(g_spawn_sync(folder, (char **)argv->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status, NULL));
    if (status) {
        g_test_message("%s%s", out, err);
    }
    g_assert_cmpint(status, ==, 0);
    return out;
}

static void test_iasl(void)
{
    g_autofree char *iasl = g_find_program_in_path("iasl");
    if (!iasl) {
        g_test_skip("iasl is not installed");
        return;
    }
    uint8_t rsdp[ACPI_RSDP_SIZE];
    g_autoptr(GByteArray) tables = acpi_tables_build(&board, ADDRESS, rsdp);
    const uint8_t *rsdt = table_at(tables, load_le32(rsdp + 16), "RSDT");
    const uint8_t *fadt = table_at(tables, load_le32(rsdt + 36), "FACP");
    const uint8_t *dsdt = table_at(tables, load_le32(fadt + 40), "DSDT");
    g_autofree char *folder = g_dir_make_tmp("ferry-acpi-XXXXXX", NULL);
    g_autofree char *aml = g_build_filename(folder, "dsdt.aml", NULL), *dsl = g_build_filename(folder, "dsdt.dsl", NULL);
    g_autofree char *again = g_build_filename(folder, "again.aml", NULL), *text = NULL;

    g_assert_true(g_file_set_contents(aml, (const char *)dsdt, load_le32(dsdt + 4), NULL));
    g_free(run_iasl(folder, (const char *const[]){ "-d", "dsdt.aml", NULL }));
    g_assert_true(g_file_get_contents(dsl, &text, NULL, NULL));
    static const char *const wanted[] = {
        "Device (PCI0)", "EisaId (\"PNP0A03\")", "Device (LNKD)", "Name (_PRT, Package (0x7C)",
        "Name (\\_S5, Package (0x04)",
        "Device (COM1)", "Device (COM3)", "0x03E8,             // Range Minimum", "Device (RTC)",
        "\"QEMU0001\"", "Device (C003)", "OperationRegion (P40C, PCI_Config, 0x60, 0x04)",
        "Interrupt (ResourceConsumer, Level, ActiveHigh, Shared",
        "OperationRegion (PCHP, SystemIO, 0xAE00, 0x18)", "Mutex (BLCK, 0x00)", "Name (_ADR, 0x001F0000)",
        "EJSL (_SUN)", "Notify (S18, Arg1)", "DVNT (PCIU, One)", "DVNT (PCID, 0x03)", "Scope (\\_GPE)",
        "Method (_E01, 0, NotSerialized)",
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(wanted); i++) {
        if (!strstr(text, wanted[i])) {
            g_error("the disassembled DSDT lacks '%s'", wanted[i]);
        }
    }
    g_autofree char *out = run_iasl(folder, (const char *const[]){ "-ve", "-p", "again", "dsdt.dsl", NULL });
    g_assert_nonnull(strstr(out, "0 Errors"));
    g_remove(aml);
    g_remove(dsl);
    g_remove(again);
    g_rmdir(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/acpi/tables", test_tables);
    g_test_add_func("/acpi/madt", test_madt);
    g_test_add_func("/acpi/aml-encoding", test_aml_encoding);
    g_test_add_func("/acpi/iasl", test_iasl);
    return g_test_run();
}
