/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The i440FX host bridge: PCI bus 0 and the memory controller's windows onto RAM. */
#ifndef FERRY_HW_PCI_HOST_I440FX_H
#define FERRY_HW_PCI_HOST_I440FX_H

#include "hw/pci/pci.h"

/*
 * Makes the bridge, its bus "pci.0" and function 00:00.0. PCI memory lies under the RAM in system_memory: where both
 * are, RAM wins. `ram`: the memory below 4 GiB, for the windows onto it. `firmware` is called at the end of each
 * reset, when every device has been reset: what firmware would now set up.
 */
struct pci_bus *i440fx_create(struct memory_region *ram, void (*firmware)(void *opaque), void *opaque,
                              GError **error);

extern const struct device_type i440fx_pcihost_type, i440fx_type;

#endif
