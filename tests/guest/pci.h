/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI by configuration mechanism 1, bus 0. */
#ifndef PCI_H
#define PCI_H

#include "guest.h"

#define PCI_COMMAND 0x04
#define PCI_COMMAND_IO 1
#define PCI_COMMAND_MEMORY 2
#define PCI_COMMAND_MASTER 4
#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_MSIX 0x11

struct pci_function {
    unsigned devfn;
};

uint32_t pci_read(const struct pci_function *f, unsigned reg, unsigned size);
void pci_write(const struct pci_function *f, unsigned reg, unsigned size, uint32_t v);
bool pci_find(uint16_t vendor, uint16_t device, struct pci_function *f);
/* Offset of the first capability `id` behind `after` (0: the first of all); 0: none. */
unsigned pci_capability(const struct pci_function *f, uint8_t id, unsigned after);
uint64_t pci_bar(const struct pci_function *f, unsigned bar); /* its address; 0: none or not set */

#endif
