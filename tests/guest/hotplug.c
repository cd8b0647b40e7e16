/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest without manners: what the host plugs into a slot it maps, and lets go of while all its other processors are
 * at the registers.
 */
#include "pci.h"
#include "smp.h"

#define UP 0xae00
#define EJECT 0xae08
#define MEMORY 0xe0000000u
#define PORTS 0xd000
#define BAR0 0x10
#define BAR4 0x20

static struct pci_function function;
static unsigned slot, rounds;
static volatile bool over;

/* Reads and writes what is harmless wherever it arrives: the feature selector, or nobody. */
static bool hammer(void)
{
    volatile uint32_t *registers = (volatile uint32_t *)(uintptr_t)MEMORY;

    while (!over) {
        for (unsigned i = 0; i < 100; i++) {
            registers[0] = i & 1;
            (void)registers[1];
            (void)registers[0x2000 / 4];
            (void)inl(PORTS);
        }
    }
    return true;
}

static void map_function(uint32_t moved)
{
    pci_write(&function, PCI_COMMAND, 2, 0);
    pci_write(&function, BAR0, 4, PORTS);
    pci_write(&function, BAR4, 4, MEMORY + moved);
    pci_write(&function, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static bool one_round(unsigned n)
{
    while (!(inl(UP) >> slot & 1)) {
        cpu_pause();
    }
    CHECK(pci_read(&function, 0, 4) == 0x10021af4, "%x", pci_read(&function, 0, 4));
    for (unsigned i = 0; i < n % 8; i++) { /* under the others' hands, too */
        map_function(i % 2 * 0x4000);
    }
    map_function(0);
    CHECK(*(volatile uint32_t *)(uintptr_t)MEMORY <= 1, "the feature selector is neither 0 nor 1");
    outl(EJECT, 1u << slot);
    /* The next one may be there already, but not mapped. */
    CHECK(*(volatile uint32_t *)(uintptr_t)MEMORY == UINT32_MAX, "something answers where nothing is");
    return true;
}

static bool drive(void)
{
    bool good = true;

    for (unsigned n = 0; n < rounds && good; n++) {
        good = one_round(n);
    }
    over = true;
    return good;
}

static bool run(unsigned cpu)
{
    return cpu == 0 ? drive() : hammer();
}

static bool run_hotplug(int argc, char **argv)
{
    CHECK(argc == 3, "hotplug SLOT ROUNDS");
    slot = parse_number(argv[1]);
    rounds = parse_number(argv[2]);
    function.devfn = slot << 3;
    over = false;
    return smp_run(run);
}

const struct command hotplug_commands[] = {
    { "hotplug", "SLOT ROUNDS: lets go of what is plugged there while other processors use it", run_hotplug },
    { 0 },
};
