/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What firmware would do on a pc, done from outside: it sets up the chipset, hands out PCI resources, puts ACPI
 * tables, kernel and initrd into memory, and starts the BSP at the kernel's entry point. At every reset; on a guest
 * that was migrated here from this side's copy. Until an incoming migration has finished nothing is written to the
 * guest.
 */
#include "pc.h"

#include <string.h>

#include "accel/accel.h"
#include "accel/vcpu.h"
#include "hw/acpi/pci-hotplug.h"
#include "hw/acpi/piix4-pm.h"
#include "hw/acpi/tables.h"
#include "hw/char/serial.h"
#include "hw/intc/apic.h"
#include "hw/isa/piix3.h"
#include "hw/misc/pc-ports.h"
#include "system/runstate.h"
#include "trace/hw_i386.h"

#define PCI_HOLE_END 0xfec00000ull /* the IOAPIC's page */
#define ELCR_SLAVE_PORT 0x4d1
#define IOAPIC_ID 0

/* Memory types (SDM 3A table 11-8), and their registers' bits. */
#define MTRR_UNCACHED 0
#define MTRR_WRITE_PROTECTED 5
#define MTRR_WRITE_BACK 6
#define MTRR_ALL(_type) ((_type) * 0x0101010101010101ull)
#define MTRR_VALID (1u << 11)
#define MTRR_ENABLE (1u << 11)
#define MTRR_FIXED_ENABLE (1u << 10)

/* --- Once, when all devices are there --- */

static unsigned get_number(struct device *dev, const char *property)
{
    g_autofree char *text = device_get_property(dev, property, NULL);

    return text ? g_ascii_strtoull(text, NULL, 0) : 0;
}

/* The ISA devices that the DSDT tells of, from -serial and -device alike. */
static bool describe_device(struct device *dev, void *opaque)
{
    struct acpi_board *board = opaque;

    if (dev->type == &pvpanic_type) {
        board->pvpanic_port = get_number(dev, "ioport");
    } else if (dev->type == &serial_isa_type) {
        unsigned index = get_number(dev, "index");
        if (index < ACPI_SERIAL_PORTS) {
            board->serial[index].port = get_number(dev, "iobase");
            board->serial[index].irq = get_number(dev, "irq");
        }
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
        .hotplug_slots = pci_hotplug_slots(pc->pci),
    };
    uint8_t *rsdp = g_malloc(ACPI_RSDP_SIZE);

    VCPU_FOREACH (cpu) {
        apic_ids[cpu->index] = cpu->apic_id;
    }
    device_foreach(describe_device, &board);
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
        if (!machine->incoming && accel->cpu_run) {
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

/* Memory is write-back, what lies below 4 GiB for PCI is not cached; the same on every CPU. */
static void set_up_mtrrs(struct x86_cpu *cpu, uint64_t below_4g)
{
    /* 0..0x9ffff write-back, the VGA window not cached, 0xc0000.. write-protected */
    static const uint64_t fixed[11] = {
        MTRR_ALL(MTRR_WRITE_BACK), MTRR_ALL(MTRR_WRITE_BACK), 0, MTRR_ALL(MTRR_WRITE_PROTECTED),
        MTRR_ALL(MTRR_WRITE_PROTECTED), MTRR_ALL(MTRR_WRITE_PROTECTED), MTRR_ALL(MTRR_WRITE_PROTECTED),
        MTRR_ALL(MTRR_WRITE_PROTECTED), MTRR_ALL(MTRR_WRITE_PROTECTED), MTRR_ALL(MTRR_WRITE_PROTECTED),
        MTRR_ALL(MTRR_WRITE_PROTECTED),
    };
    uint64_t hole = below_4g <= 0x80000000 ? 0x80000000 : below_4g <= 0xc0000000 ? 0xc0000000 : 0xe0000000;
    uint32_t sizes[4];

    x86_cpuid(cpu, 0x80000008, 0, sizes);
    uint64_t physical_mask = (1ull << CLAMP(sizes[0] & 0xff, 32, 52)) - 1;
    memcpy(cpu->mtrr_fixed, fixed, sizeof(fixed));
    cpu->mtrr_var[0].base = hole | MTRR_UNCACHED;
    cpu->mtrr_var[0].mask = (~((4ull << 30) - hole - 1) & physical_mask) | MTRR_VALID;
    cpu->mtrr_deftype = MTRR_ENABLE | MTRR_FIXED_ENABLE | MTRR_WRITE_BACK;
}

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

    trace_pc_firmware(awaited);
    pc->started = true;
    set_up_chipset(pc);
    VCPU_FOREACH (cpu) {
        set_up_mtrrs(cpu, pc->below_4g);
    }
    if (awaited) {
        pc->boot->used = true; /* by the time of the first reset */
        return;
    }
    if (pc->boot->kernel) {
        boot_place(pc->boot);
        boot_enter(pc->boot, vcpus[0]);
    } else {
        __atomic_store_n(&vcpus[0]->halted, true, __ATOMIC_RELAXED);
    }
}
