/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI tables (ACPI 6.4 chapter 5): RSDP, RSDT, FADT (revision 3), FACS, MADT, and the DSDT from dsdt.c. Revision 3
 * of the FADT, since it is the first that can say that there is neither an 8042 nor a VGA, and how to reset the
 * machine.
 * Left out: HPET, SRAT, SMBIOS: this board has none of what they describe.
 */
#include <string.h>

#include "hw/acpi/piix4-pm.h"
#include "hw/acpi/tables.h"
#include "util/bytes.h"

#define HEADER_SIZE 36
#define OEM_ID "FERRY "
#define OEM_TABLE_ID "FERRYPC "
#define CREATOR_ID "FRRY"

#define FADT_SIZE 244
#define FADT_WBINVD (1u << 0)
#define FADT_PROC_C1 (1u << 2)
#define FADT_SLP_BUTTON (1u << 5) /* there is none as a fixed feature */
#define FADT_RTC_S4 (1u << 7)
#define FADT_RESET_REG (1u << 10)
#define FADT_USE_PLATFORM_CLOCK (1u << 15)
#define FADT_APIC_CLUSTER (1u << 18)
#define BOOT_LEGACY_DEVICES (1u << 0)
#define BOOT_NO_VGA (1u << 2)
#define FACS_SIZE 64
#define RESET_PORT 0xcf9
#define RESET_VALUE 0x06
#define RTC_CENTURY 0x32

#define MADT_LOCAL_APIC 0
#define MADT_IOAPIC 1
#define MADT_OVERRIDE 2
#define MADT_LOCAL_APIC_NMI 4
#define MADT_ACTIVE_HIGH_LEVEL 0x0d
#define MADT_PCAT_COMPATIBLE 1

static void append_le(GByteArray *out, uint64_t value, unsigned bytes)
{
    uint64_t le = htole64(value);

    g_byte_array_append(out, (const uint8_t *)&le, bytes);
}

static uint8_t checksum(const uint8_t *data, size_t length)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < length; i++) {
        sum += data[i];
    }
    return -sum;
}

/* Appends a table with its header; returns its offset. */
static uint32_t append_table(GByteArray *out, const char *signature, uint8_t revision, const GByteArray *body)
{
    uint32_t at = out->len, length = HEADER_SIZE + body->len;

    g_byte_array_append(out, (const uint8_t *)signature, 4);
    append_le(out, length, 4);
    append_le(out, revision, 1);
    append_le(out, 0, 1); /* checksum, below */
    g_byte_array_append(out, (const uint8_t *)OEM_ID OEM_TABLE_ID, 14);
    append_le(out, 1, 4);
    g_byte_array_append(out, (const uint8_t *)CREATOR_ID, 4);
    append_le(out, 1, 4);
    g_byte_array_append(out, body->data, body->len);
    out->data[at + 9] = checksum(out->data + at, length);
    return at;
}

static void align(GByteArray *out, unsigned to)
{
    while (out->len % to) {
        append_le(out, 0, 1);
    }
}

static uint32_t append_facs(GByteArray *out)
{
    align(out, 64);
    uint32_t at = out->len;

    g_byte_array_append(out, (const uint8_t *)"FACS", 4);
    append_le(out, FACS_SIZE, 4);
    while (out->len < at + FACS_SIZE) {
        append_le(out, 0, 8);
    }
    return at;
}

/* A register in I/O space. */
static void put_generic_address(uint8_t *at, uint32_t port, uint8_t bytes)
{
    at[0] = 1;
    at[1] = bytes * 8;
    at[3] = bytes == 4 ? 3 : bytes; /* access size: byte, word, double word */
    store_le64(at + 4, port);
}

static uint32_t append_fadt(GByteArray *out, const struct acpi_board *board, uint32_t facs, uint32_t dsdt)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    uint32_t flags =
        FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_RTC_S4 | FADT_RESET_REG | FADT_USE_PLATFORM_CLOCK;
    uint8_t table[FADT_SIZE] = { 0 }; /* offsets as in the specification, header included */

    if (board->cpu_count > 8) {
        flags |= FADT_APIC_CLUSTER;
    }
    store_le32(table + 36, facs);
    store_le32(table + 40, dsdt);
    store_le16(table + 46, PIIX4_SCI);
    store_le32(table + 48, PIIX4_SMI_PORT);
    table[52] = PIIX4_ACPI_ENABLE;
    table[53] = PIIX4_ACPI_DISABLE;
    store_le32(table + 56, PIIX4_PM_BASE);
    store_le32(table + 64, PIIX4_PM_BASE + 4);
    store_le32(table + 76, PIIX4_PM_BASE + 8);
    store_le32(table + 80, PIIX4_GPE0_BASE);
    table[88] = 4; /* lengths of the four blocks */
    table[89] = 2;
    table[91] = 4;
    table[92] = 4;
    store_le16(table + 96, 0xfff); /* no C2, no C3 */
    store_le16(table + 98, 0xfff);
    table[108] = RTC_CENTURY;
    store_le16(table + 109, BOOT_LEGACY_DEVICES | BOOT_NO_VGA);
    store_le32(table + 112, flags);
    put_generic_address(table + 116, RESET_PORT, 1);
    table[128] = RESET_VALUE;
    store_le64(table + 140, dsdt); /* X_FIRMWARE_CTRL stays 0: the FACS is below 4 GiB, and would be found twice */
    put_generic_address(table + 148, PIIX4_PM_BASE, 4);
    put_generic_address(table + 172, PIIX4_PM_BASE + 4, 2);
    put_generic_address(table + 208, PIIX4_PM_BASE + 8, 4);
    put_generic_address(table + 220, PIIX4_GPE0_BASE, 4);
    g_byte_array_append(body, table + HEADER_SIZE, FADT_SIZE - HEADER_SIZE);
    return append_table(out, "FACP", 3, body);
}

static void madt_override(GByteArray *body, uint8_t isa_irq, uint32_t gsi, uint16_t flags)
{
    append_le(body, MADT_OVERRIDE | 10 << 8, 2);
    append_le(body, 0, 1); /* the ISA bus */
    append_le(body, isa_irq, 1);
    append_le(body, gsi, 4);
    append_le(body, flags, 2);
}

static uint32_t append_madt(GByteArray *out, const struct acpi_board *board)
{
    static const uint8_t level_irqs[] = { 5, 9, 10, 11 };
    g_autoptr(GByteArray) body = g_byte_array_new();

    append_le(body, 0xfee00000, 4);
    append_le(body, MADT_PCAT_COMPATIBLE, 4);
    for (unsigned i = 0; i < board->cpu_count; i++) {
        append_le(body, MADT_LOCAL_APIC | 8 << 8, 2);
        append_le(body, i, 1);
        append_le(body, board->apic_ids[i], 1);
        append_le(body, 1, 4); /* enabled */
    }
    append_le(body, MADT_IOAPIC | 12 << 8, 2);
    append_le(body, board->ioapic_id, 2);
    append_le(body, 0xfec00000, 4);
    append_le(body, 0, 4); /* its first GSI */
    madt_override(body, 0, 2, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(level_irqs); i++) {
        madt_override(body, level_irqs[i], level_irqs[i], MADT_ACTIVE_HIGH_LEVEL);
    }
    append_le(body, MADT_LOCAL_APIC_NMI | 6 << 8, 2);
    append_le(body, 0xff, 1); /* every processor's */
    append_le(body, 0, 2);
    append_le(body, 1, 1);    /* LINT1 */
    return append_table(out, "APIC", 1, body);
}

GByteArray *acpi_tables_build(const struct acpi_board *board, uint32_t address, uint8_t rsdp[ACPI_RSDP_SIZE])
{
    GByteArray *out = g_byte_array_new();
    g_autoptr(GByteArray) dsdt_body = acpi_dsdt_build(board);
    g_autoptr(GByteArray) rsdt_body = g_byte_array_new();

    uint32_t facs = append_facs(out);
    uint32_t dsdt = append_table(out, "DSDT", 1, dsdt_body);
    align(out, 16);
    uint32_t fadt = append_fadt(out, board, address + facs, address + dsdt);
    align(out, 16);
    uint32_t madt = append_madt(out, board);
    align(out, 16);
    append_le(rsdt_body, address + fadt, 4);
    append_le(rsdt_body, address + madt, 4);
    uint32_t rsdt = append_table(out, "RSDT", 1, rsdt_body);

    memset(rsdp, 0, ACPI_RSDP_SIZE);
    memcpy(rsdp, "RSD PTR ", 8);
    memcpy(rsdp + 9, OEM_ID, 6);
    store_le32(rsdp + 16, address + rsdt);
    rsdp[8] = checksum(rsdp, ACPI_RSDP_SIZE);
    return out;
}
