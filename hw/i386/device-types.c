/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of all device types and machine types of this program. */
#include "hw/acpi/piix4-pm.h"
#include "hw/block/virtio-blk.h"
#include "hw/char/serial.h"
#include "hw/core/device.h"
#include "hw/i386/board.h"
#include "hw/intc/i8259-kvm.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic-kvm.h"
#include "hw/intc/ioapic.h"
#include "hw/isa/isa.h"
#include "hw/isa/piix3.h"
#include "hw/misc/pc-ports.h"
#include "hw/net/virtio-net.h"
#include "hw/pci/pci.h"
#include "hw/pci-host/i440fx.h"
#include "hw/rtc/mc146818rtc.h"
#include "hw/timer/i8254-kvm.h"
#include "hw/timer/i8254.h"
#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio-rng.h"
#include "pc.h"

static const struct device_type *const types[] = {
    &debug_exit_type,
    &i440fx_pcihost_type,
    &i440fx_type,
    &i8254_isa_type,
    &i8254_kvm_type,
    &i8259_type,
    &i8259_kvm_type,
    &ioapic_type,
    &ioapic_kvm_type,
    &ioport80_type,
    &mc146818rtc_type,
    &pcspk_type,
    &piix3_type,
    &piix4_pm_type,
    &port92_type,
    &pvpanic_type,
    &serial_isa_type,
    &virtio_balloon_pci_type,
    &virtio_blk_pci_type,
    &virtio_net_pci_type,
    &virtio_rng_pci_type,
    NULL,
};

static const struct machine_type *const machines[] = { &pc_machine_type, &none_machine_type, NULL };

void board_types_register(void)
{
    bus_type_register(&isa_bus_type);
    bus_type_register(&pci_bus_type);
    device_types_set(types);
    machine_types_set(machines);
}
