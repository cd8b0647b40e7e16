/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pc board: i440FX + PIIX3 + PIIX4 power management, local APICs and IOAPIC, i8259, i8254, RTC, serial ports.
 * What is on it and how it is wired, in the order of QEMU's streams.
 *
 * The same as QEMU's `-machine pc-i440fx-7.2,hpet=off,i8042=off,vmport=off -nodefaults` but for what is left out:
 * fw_cfg and firmware, DMA controllers, floppy, IDE, SMBus, VGA, HPET, i8042.
 */
#include "pc.h"

#include <inttypes.h>
#include <sys/mman.h>

#include "accel/kvm.h"
#include "accel/vcpu.h"
#include "hw/acpi/piix4-pm.h"
#include "hw/char/serial.h"
#include "hw/intc/apic-kvm.h"
#include "hw/intc/apic.h"
#include "hw/intc/i8259-kvm.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic-kvm.h"
#include "hw/intc/ioapic.h"
#include "hw/isa/isa.h"
#include "hw/isa/piix3.h"
#include "hw/misc/pc-ports.h"
#include "hw/pci-host/i440fx.h"
#include "hw/pci/pci.h"
#include "hw/rtc/mc146818rtc.h"
#include "hw/timer/i8254-kvm.h"
#include "hw/timer/i8254.h"
#include "hw/timer/kvmclock.h"
#include "system/system.h"

/* --- Memory --- */

static struct ram_block *pc_ram_block(const struct machine *machine, GError **error)
{
    if (!machine->memory_backend) {
        return ram_block_new(machine->type->default_ram_id, machine->ram_size, error);
    }
    struct ram_block *block = ram_block_find(machine->memory_backend);
    if (!block) {
        error_setf(error, "memory-backend=%s: there is no such -object memory-backend-ram, -memfd or -file",
                   machine->memory_backend);
    } else if (block->used_length != machine->ram_size) {
        error_setf(error, "memory-backend=%s has %" PRIu64 " bytes, the machine %" PRIu64 ": they must be equal (-m)",
                   machine->memory_backend, block->used_length, machine->ram_size);
        return NULL;
    }
    return block;
}

static bool pc_create_memory(struct pc *pc, GError **error)
{
    struct machine *machine = pc->machine;

    pc->below_4g = pc_ram_below_4g(machine->ram_size);
    pc->above_4g = machine->ram_size - pc->below_4g;
    if (pc->above_4g > PC_AMD_HT_HOLE - (4ull << 30)) {
        return error_setf(error, "-m: %" PRIu64 " MiB do not fit below 0x%llx, where the guest's address space ends",
                          machine->ram_size >> 20, PC_AMD_HT_HOLE);
    }
    pc->ram_block = pc_ram_block(machine, error);
    if (!pc->ram_block) {
        return false;
    }
    pc->ram_block->migratable = true;
    pc->boot->used = pc->ram_block->fd >= 0; /* a file may hold anything */
    if (!pc_dump_guest_core) {
        madvise(pc->ram_block->host, pc->ram_block->used_length, MADV_DONTDUMP);
    }
    memory_region_init_ram(&pc->ram, pc->ram_block, "pc.ram", machine->ram_size);
    memory_region_init_alias(&pc->ram_below_4g, "ram-below-4g", &pc->ram, 0, pc->below_4g);
    memory_region_add(&system_memory, 0, &pc->ram_below_4g, 0);
    if (pc->above_4g) {
        memory_region_init_alias(&pc->ram_above_4g, "ram-above-4g", &pc->ram, pc->below_4g, pc->above_4g);
        memory_region_add(&system_memory, 4ull << 30, &pc->ram_above_4g, 0);
    }
    return true;
}

/* --- vCPUs --- */

static bool pc_create_cpus(struct pc *pc, GError **error)
{
    x86_topology = (struct x86_topology) { pc->machine->sockets, pc->machine->cores, pc->machine->threads };
    for (int i = 0; i < pc->machine->smp_cpus; i++) {
        struct x86_cpu *cpu = vcpu_new(pc->machine->cpu_model, &pc->machine->cpu_features, error);
        if (!cpu || !(kvm_irqchip_in_kernel() ? apic_kvm_create(cpu, error) : apic_create(cpu, error))) {
            return false;
        }
    }
    return true;
}

/* --- Interrupts: an ISA line goes to the 8259s and to the IOAPIC, line 0 to the latter's pin 2 --- */

static void pc_set_gsi(void *opaque, int n, bool level)
{
    struct pc *pc = opaque;

    if (n < PC_ISA_IRQS) {
        irq_set(&pc->i8259[n], level);
    }
    irq_set(&pc->ioapic[n == 0 ? 2 : n], level);
}

/* Interrupt lines of controllers in the kernel: it knows where each goes. */
static void pc_set_kernel_gsi(void *opaque, int n, bool level)
{
    kvm_irq_line((unsigned)n, level);
}

static bool pc_create_interrupt_controllers(struct pc *pc, GError **error)
{
    if (kvm_irqchip_in_kernel()) {
        msi_deliver = kvm_signal_msi;
        return i8259_kvm_create(error) && ioapic_kvm_create(error);
    }
    pc->i8259 = i8259_create(apic_lint0_irq(), error);
    if (!pc->i8259) {
        return false;
    }
    msi_deliver = apic_deliver_msi;
    pc->ioapic = ioapic_create(error);
    return pc->ioapic != NULL;
}

/* --- The board --- */

static bool pc_create_bridges(struct pc *pc, GError **error)
{
    pc->pci = i440fx_create(&pc->ram, pc_firmware, pc, error);
    if (!pc->pci) {
        return false;
    }
    irq_init_array(pc->gsi, PC_GSIS, kvm_irqchip_in_kernel() ? pc_set_kernel_gsi : pc_set_gsi, pc);
    struct device *piix3 = piix3_create(pc->pci, pc->gsi, error);
    if (!piix3) {
        return false;
    }
    isa_bus_new(piix3);
    isa_connect_irqs(pc->gsi);
    return true;
}

static bool pc_create_isa_devices(struct pc *pc, GError **error)
{
    struct device *rtc = mc146818rtc_create(error);
    if (!rtc) {
        return false;
    }
    mc146818rtc_set_pc_cmos(rtc, pc->below_4g, pc->above_4g, pc->machine->smp_cpus,
                             pc->machine->boot_order);
    struct device *pit = kvm_irqchip_in_kernel() ? i8254_kvm_create(error) : i8254_isa_create(error);
    if (!pit || !pcspk_create(pit, error) || !isa_create(&ioport80_type, error)) {
        return false;
    }
    for (int i = 0; i < SERIAL_PORTS; i++) {
        if (serial_chardevs[i] && !serial_isa_create(i, serial_chardevs[i], error)) {
            return false;
        }
    }
    return isa_create(&port92_type, error) != NULL;
}

static bool pc_init(struct machine *machine, GError **error)
{
    struct pc *pc = g_new0(struct pc, 1);

    machine->board = pc;
    pc->machine = machine;
    pc->boot = boot_new();
    return pc_create_memory(pc, error) &&
           pc_create_cpus(pc, error) &&
           kvmclock_create(error) &&
           pc_create_bridges(pc, error) &&
           pc_create_interrupt_controllers(pc, error) &&
           pc_create_isa_devices(pc, error) &&
           (!machine->acpi || piix4_pm_create(pc->pci, &pc->gsi[PIIX4_SCI], error));
}

const struct machine_type pc_machine_type = {
    .name = "pc-i440fx-7.2",
    .alias = "pc",
    .description = "Standard PC (i440FX + PIIX, 1996)",
    .parents = (const char *const[]){ "generic-pc-machine", "x86-machine", NULL },
    .is_default = true,
    .max_cpus = 8,
    .default_ram_id = "pc.ram",
    .default_cpu = "qemu64",
    .parse_options = pc_parse_options,
    .properties = pc_properties,
    .init = pc_init,
    .done = pc_done,
};
