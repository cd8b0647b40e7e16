/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TCG plugin for stock QEMU (plugin API version 1, as in 7.2) that writes the runs of vCPU 0: see exec-stream.h.
 *
 *     qemu-system-x86_64 -plugin liblockstep.so,path=FIFO ...
 *
 * Debian does not package QEMU's plugin header; what is needed of the interface is declared here, after the API
 * reference in QEMU's developer documentation ("TCG Plugins").
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accel/tcg/exec-stream.h"

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { PLUGIN_CB_NO_REGS };
typedef void translation_callback(plugin_id id, struct qemu_plugin_tb *tb);
typedef void insn_callback(unsigned int vcpu, void *data);

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, translation_callback *callback);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, insn_callback *callback, int flags,
                                                   void *data);
extern void qemu_plugin_register_atexit_cb(plugin_id id, void (*callback)(plugin_id id, void *data), void *data);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

EXPORT extern const int qemu_plugin_version;
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);
const int qemu_plugin_version = 1;

static struct exec_stream stream;

/*
 * The callback's datum carries address and length: 60 bits of address (its top four repeat bit 59) and 4 of length.
 */
static void on_instruction(unsigned int vcpu, void *data)
{
    uint64_t packed = (uint64_t)data;
    if (vcpu == 0) {
        exec_stream_step(&stream, (uint64_t)((int64_t)packed >> 4), packed & 15);
    }
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *tb)
{
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t packed = qemu_plugin_insn_vaddr(insn) << 4 | (qemu_plugin_insn_size(insn) & 15);
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_instruction, PLUGIN_CB_NO_REGS, (void *)packed);
    }
}

static void on_exit_of_qemu(plugin_id id, void *data)
{
    exec_stream_flush(&stream);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    const char *path = NULL;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "path=", 5) == 0) {
            path = argv[i] + 5;
        }
    }
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
    if (fd < 0) {
        fprintf(stderr, "lockstep: path=FILE is needed, and must be writable\n");
        return -1;
    }
    exec_stream_open(&stream, fd);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
    return 0;
}
