/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small writer of ACPI Machine Language (ACPI 6.4, chapter 20). Terms are appended in order; those with a length
 * are opened and closed around their contents:
 *
 *     aml_device(aml, "COM1");
 *         aml_name(aml, "_UID"); aml_integer(aml, 1);
 *     aml_close(aml);
 *
 * Names are of one to four characters per segment, padded with '_', segments separated by '.', with '\\' or '^' in
 * front.
 */
#ifndef FERRY_HW_ACPI_AML_H
#define FERRY_HW_ACPI_AML_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct aml {
    GByteArray *code;
    GArray *open; /* where the lengths of the terms that are open belong: guint */
};

void aml_init(struct aml *aml);
/* The code; ends the writer. Everything must be closed. */
GByteArray *aml_finish(struct aml *aml);
void aml_close(struct aml *aml);

/* Objects */
void aml_scope(struct aml *aml, const char *name);  /* to be closed, as the next three */
void aml_device(struct aml *aml, const char *name);
void aml_method(struct aml *aml, const char *name, unsigned arguments, bool serialized);
void aml_package(struct aml *aml, unsigned elements);
void aml_name(struct aml *aml, const char *name);   /* its value follows */
void aml_pci_config_region(struct aml *aml, const char *name, uint64_t offset, uint64_t length);
void aml_io_region(struct aml *aml, const char *name, uint16_t port, uint16_t length);
/* `count` fields of one or four bytes at the region's beginning, accessed as such. */
void aml_byte_fields(struct aml *aml, const char *region, const char *const *names, unsigned count);
void aml_dword_fields(struct aml *aml, const char *region, const char *const *names, unsigned count);
void aml_mutex(struct aml *aml, const char *name);

/* Data and expressions */
void aml_integer(struct aml *aml, uint64_t value);
void aml_eisa_id(struct aml *aml, const char *id); /* "PNP0A03" */
void aml_string(struct aml *aml, const char *text);
void aml_reference(struct aml *aml, const char *name);
void aml_arg(struct aml *aml, unsigned n);
void aml_op(struct aml *aml, uint8_t opcode);       /* any operator of one byte; operands follow, a target last */
#define AML_NULL_TARGET 0x00
#define AML_STORE 0x70
#define AML_SHIFT_LEFT 0x79
#define AML_AND 0x7b
#define AML_OR 0x7d
#define AML_NOTIFY 0x86
#define AML_CREATE_DWORD_FIELD 0x8a
#define AML_RETURN 0xa4
void aml_if(struct aml *aml);                       /* to be closed; its predicate comes first */
void aml_acquire(struct aml *aml, const char *mutex); /* however long it takes */
void aml_release(struct aml *aml, const char *mutex);

/* Resource templates: opened, filled, closed (aml_resources_end adds end tag and sizes). */
void aml_resources(struct aml *aml);
void aml_resources_end(struct aml *aml);
void aml_resource_io(struct aml *aml, uint16_t port, uint8_t length);
void aml_resource_irq(struct aml *aml, uint8_t irq); /* ISA: edge, active high, exclusive */
/* Level-triggered, active high, shared. */
void aml_resource_interrupts(struct aml *aml, const uint32_t *irqs, unsigned count);
enum aml_window { AML_WINDOW_MEMORY, AML_WINDOW_IO, AML_WINDOW_BUS };
void aml_resource_window(struct aml *aml, enum aml_window kind, uint32_t first, uint32_t last);

#endif
