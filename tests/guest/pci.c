/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pci.h"

static unsigned select(const struct pci_function *f, unsigned reg)
{
    outl(0xcf8, 0x80000000u | f->devfn << 8 | (reg & 0xfc));
    return 0xcfc + (reg & 3);
}

uint32_t pci_read(const struct pci_function *f, unsigned reg, unsigned size)
{
    unsigned port = select(f, reg);
    return size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
}

void pci_write(const struct pci_function *f, unsigned reg, unsigned size, uint32_t v)
{
    unsigned port = select(f, reg);
    if (size == 1) {
        outb(port, v);
    } else if (size == 2) {
        outw(port, v);
    } else {
        outl(port, v);
    }
}

bool pci_find(uint16_t vendor, uint16_t device, struct pci_function *f)
{
    for (f->devfn = 0; f->devfn < 256; f->devfn++) {
        if (pci_read(f, 0, 4) == (vendor | (uint32_t)device << 16)) {
            return true;
        }
    }
    return false;
}

unsigned pci_capability(const struct pci_function *f, uint8_t id, unsigned after)
{
    if (!(pci_read(f, 0x06, 2) & 0x10)) {
        return 0;
    }
    unsigned at = pci_read(f, after ? after + 1 : 0x34, 1) & 0xfc;
    for (int n = 0; at && n < 48; n++, at = pci_read(f, at + 1, 1) & 0xfc) {
        if (pci_read(f, at, 1) == id) {
            return at;
        }
    }
    return 0;
}

uint64_t pci_bar(const struct pci_function *f, unsigned bar)
{
    uint32_t low = pci_read(f, 0x10 + bar * 4, 4);
    if (low & 1) {
        return low & ~3u;
    }
    uint64_t high = (low & 6) == 4 ? pci_read(f, 0x14 + bar * 4, 4) : 0;
    return (low & ~15u) | high << 32;
}
