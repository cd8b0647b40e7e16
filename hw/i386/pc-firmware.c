/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What firmware would do on a pc, done from outside: it sets up the chipset, hands out PCI resources, puts ACPI tables, kernel and
 * initrd into memory, and starts the BSP at the kernel's entry point. At every reset; on a guest that was migrated here from this
 * side's copy. Until an incoming migration has finished nothing is written to the guest.
 */
#include "pc.h"

#include "accel/vcpu.h"
#include "hw/acpi/piix4-pm.h"
#include "hw/acpi/tables.h"
#include "hw/intc/apic.h"
#include "hw/isa/piix3.h"
#include "hw/misc/pc-ports.h"
#include "system/runstate.h"
#include "system/system.h"

#define PCI_HOLE_END 0xfec00000ull /* the IOAPIC's page */
#define ELCR_SLAVE_PORT 0x4d1
#define IOAPIC_ID 0

/* --- Once, when all devices are there --- */

static bool find_pvpanic(struct device *dev, void *opaque)
{
    uint16_t *port = opaque;

    if (dev->type == &pvpanic_type) {
        g_autofree char *text = device_get_property(dev, "ioport", NULL);
        *port = text ? g_ascii_strtoull(text, NULL, 0) : 0;
        return false;
    }
    return true;
}

static void add_acpi_tables(struct pc *pc)
{
    g_autofree uint32_t *apic_ids = g_new(uint32_t, vcpu_count);
    struct acpi_board board = {
        .cpu_count = vcpu_count,
        .apic_ids = apic_ids,
        .ioapic_id = IOAPIC_ID,
        .pci_hole_first = pc->below_4g,
        .pci_hole_last = PCI_HOLE_END - 1,
        .rtc = true,
    };
    uint8_t *rsdp = g_malloc(ACPI_RSDP_SIZE);

    VCPU_FOREACH (cpu) {
        apic_ids[cpu->index] = cpu->apic_id;
    }
    for (int i = 0; i < SERIAL_PORTS; i++) {
        board.serial[i] = serial_chardevs[i] != NULL;
    }
    device_foreach(find_pvpanic, &board.pvpanic_port);
    uint64_t address = pc->below_4g - PC_ACPI_AREA_SIZE;
    GByteArray *tables = acpi_tables_build(&board, address, rsdp);
    uint64_t size = tables->len;
    g_assert(size <= PC_ACPI_AREA_SIZE);
    boot_add_blob(pc->boot, address, g_byte_array_free(tables, false), size);
    boot_add_blob(pc->boot, PC_BIOS_AREA, rsdp, ACPI_RSDP_SIZE);
}

bool pc_done(struct machine *machine, GError **error)
{
    struct pc *pc = machine->board;
    struct e820_map e820;

    if (!machine->kernel) {
        if (!machine->incoming) {
            warn_report("no -kernel, and no firmware to look for one: the guest has nothing to run");
        }
        return true;
    }
    pc_e820_fill(&e820, pc->below_4g, pc->above_4g);
    if (machine->acpi) {
        add_acpi_tables(pc);
    }
    struct boot_request request = {
        .kernel = machine->kernel,
        .initrd = machine->initrd,
        .append = machine->append,
        .e820 = &e820,
        .ram_end = pc->below_4g - PC_ACPI_AREA_SIZE,
        .rsdp_address = machine->acpi ? PC_BIOS_AREA : 0,
    };
    return boot_prepare(pc->boot, &request, error);
}

/* --- At each reset --- */

static void set_up_chipset(struct pc *pc)
{
    static const uint8_t elcr = 1 << (10 - 8) | 1 << (11 - 8); /* the PIRQs' interrupts are level-triggered */

    pci_assign_resources(pc->pci, pc->below_4g, PCI_HOLE_END, piix3_default_pirqs);
    if (pc->machine->acpi) { /* the PM function's pin is not what interrupts: the SCI is wired on its own */
        pci_config_write(pc->pci, PCI_DEVFN(1, 3) << 8 | PCI_INTERRUPT_LINE, PIIX4_SCI, 1);
    }
    address_space_write(&address_space_io, ELCR_SLAVE_PORT, &elcr, 1);
    apic_preset_virtual_wire(vcpus[0]);
}

void pc_firmware(void *opaque)
{
    struct pc *pc = opaque;
    bool awaited = pc->machine->incoming && (!pc->started || runstate_get() == RUN_STATE_INMIGRATE);

    pc->started = true;
    set_up_chipset(pc);
    if (awaited) {
        return;
    }
    if (pc->boot->kernel) {
        boot_place(pc->boot);
        boot_enter(pc->boot, vcpus[0]);
    } else {
        __atomic_store_n(&vcpus[0]->halted, true, __ATOMIC_RELAXED);
    }
}
