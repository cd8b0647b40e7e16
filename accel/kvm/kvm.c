/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -accel kvm: Linux's virtual machines (Documentation/virt/kvm/api.rst). Options: kernel-irqchip=on (the default: local
 * APICs, IOAPIC, 8259s and 8254 are the kernel's) or off (they are ours), dirty-ring-size=N (dirty-ring.c).
 */
#include "accel/kvm/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/keyval.h"

#define KVM_DEVICE "/dev/kvm"
#define KVM_API 12

#define IDENTITY_MAP_ADDRESS KVM_PAGES_ADDRESS
#define TSS_ADDRESS (KVM_PAGES_ADDRESS + 0x1000u) /* three pages */

struct kvm_options kvm_options = { .irqchip = true };

static int system_fd = -1, vm_fd = -1;

bool kvm_enabled(void)
{
    return vm_fd >= 0;
}

bool kvm_irqchip_in_kernel(void)
{
    return kvm_enabled() && kvm_options.irqchip;
}

int kvm_vm_fd(void)
{
    return vm_fd;
}

static int do_ioctl(int fd, unsigned long request, void *argument)
{
    int result = ioctl(fd, request, argument);

    return result < 0 ? -errno : result;
}

int kvm_system_ioctl(unsigned long request, void *argument)
{
    return do_ioctl(system_fd, request, argument);
}

int kvm_vm_ioctl(unsigned long request, void *argument)
{
    return do_ioctl(vm_fd, request, argument);
}

int kvm_vcpu_ioctl(struct x86_cpu *cpu, unsigned long request, void *argument)
{
    return do_ioctl(cpu->kvm->fd, request, argument);
}

int kvm_check_extension(unsigned capability)
{
    int result = do_ioctl(vm_fd >= 0 ? vm_fd : system_fd, KVM_CHECK_EXTENSION, (void *)(uintptr_t)capability);

    return MAX(result, 0);
}

int kvm_enable_capability(unsigned capability, uint64_t argument0, uint64_t argument1)
{
    struct kvm_enable_cap enable = { .cap = capability, .args = { argument0, argument1 } };

    return kvm_vm_ioctl(KVM_ENABLE_CAP, &enable);
}

/* --- starting --- */

static bool open_device(GError **error)
{
    int version;

    system_fd = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
    if (system_fd < 0) {
        return error_setf_errno(error, errno, "could not access KVM kernel module (%s)", KVM_DEVICE);
    }
    version = kvm_system_ioctl(KVM_GET_API_VERSION, NULL);
    if (version != KVM_API) {
        return error_setf(error, "%s speaks version %d of its interface, %d is needed", KVM_DEVICE, version, KVM_API);
    }
    return true;
}

static const struct {
    unsigned capability;
    const char *name;
} needed[] = {
    { KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
    { KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "KVM_CAP_DESTROY_MEMORY_REGION_WORKS" },
    { KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, "KVM_CAP_JOIN_MEMORY_REGIONS_WORKS" },
    { KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM" },
    { KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
    { KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
    { KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS" },
    { KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS" },
    { KVM_CAP_XSAVE, "KVM_CAP_XSAVE" },
    { KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
};

static bool check_capabilities(GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(needed); i++) {
        if (!kvm_check_extension(needed[i].capability)) {
            return error_set_class(error, FERRY_ERROR_KVM_MISSING_CAP,
                                   "this kernel's KVM is too old: it lacks %s", needed[i].name);
        }
    }
    return true;
}

static bool create_vm(GError **error)
{
    uint64_t identity = IDENTITY_MAP_ADDRESS;
    int fd, result;

    do {
        fd = kvm_system_ioctl(KVM_CREATE_VM, NULL);
    } while (fd == -EINTR);
    if (fd < 0) {
        return error_setf_errno(error, -fd, "ioctl(KVM_CREATE_VM) failed");
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    vm_fd = fd;
    result = kvm_vm_ioctl(KVM_SET_IDENTITY_MAP_ADDR, &identity);
    if (result == 0) {
        result = kvm_vm_ioctl(KVM_SET_TSS_ADDR, (void *)(uintptr_t)TSS_ADDRESS);
    }
    return result == 0 || error_setf_errno(error, -result, "KVM refuses the addresses of its own pages");
}

static bool read_options(struct keyval *options, GError **error)
{
    const char *irqchip = keyval_get(options, "kernel-irqchip");

    if (irqchip && !strcmp(irqchip, "split")) {
        return error_setf(error, "kernel-irqchip=split is not supported (on and off are)");
    }
    return keyval_get_bool(options, "kernel-irqchip", &kvm_options.irqchip, error) &&
           keyval_get_uint(options, "dirty-ring-size", &kvm_options.dirty_ring_size, UINT32_MAX, error);
}

static void close_all(void)
{
    if (vm_fd >= 0) {
        close(vm_fd);
    }
    if (system_fd >= 0) {
        close(system_fd);
    }
    vm_fd = system_fd = -1;
}

static bool kvm_init(struct keyval *options, GError **error)
{
    bool ok = read_options(options, error) && open_device(error) && check_capabilities(error) && create_vm(error) &&
              (!kvm_options.irqchip || kvm_irqchip_create(error)) && kvm_msr_init(error) && kvm_run_init(error) &&
              kvm_memory_init(error);

    if (!ok) {
        close_all(); /* the next -accel starts clean */
    }
    return ok;
}

/* --- vCPUs --- */

/* Machine checks: banks as the CPU's MCG_CAP has them, as far as the kernel goes along. */
static void set_up_machine_checks(struct x86_cpu *cpu)
{
    uint64_t supported = 0, wanted = cpu->mcg_cap;
    int banks = kvm_check_extension(KVM_CAP_MCE);

    if (banks <= 0 || kvm_system_ioctl(KVM_X86_GET_MCE_CAP_SUPPORTED, &supported) < 0) {
        return;
    }
    wanted = (wanted & supported & ~0xffull) | MIN(wanted & 0xff, (uint64_t)banks);
    if (kvm_vcpu_ioctl(cpu, KVM_X86_SETUP_MCE, &wanted) == 0) {
        cpu->mcg_cap = wanted;
    }
}

static bool map_run(struct x86_cpu *cpu, GError **error)
{
    struct kvm_cpu *k = cpu->kvm;
    int size = kvm_system_ioctl(KVM_GET_VCPU_MMAP_SIZE, NULL);

    k->run_size = MAX(size, 0);
    k->run = size <= 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, k->fd, 0);
    if (k->run == MAP_FAILED) {
        k->run = NULL;
        return error_setf_errno(error, size < 0 ? -size : errno, "kvm: cannot map vCPU %d's run area", cpu->index);
    }
    return true;
}

static void kvm_cpu_destroy(struct x86_cpu *cpu)
{
    struct kvm_cpu *k = kvm_dirty_log_forget(cpu);

    if (k->run) {
        munmap(k->run, k->run_size);
    }
    if (k->fd >= 0) {
        close(k->fd);
    }
    g_free(k);
}

static bool kvm_cpu_create(struct x86_cpu *cpu, GError **error)
{
    struct kvm_cpu *k = g_new0(struct kvm_cpu, 1);

    cpu->kvm = k;
    k->put_all = true;
    k->fd = kvm_vm_ioctl(KVM_CREATE_VCPU, (void *)(uintptr_t)cpu->apic_id);
    if (k->fd < 0) {
        error_setf_errno(error, -k->fd, "kvm: cannot create vCPU %d (APIC id %u)", cpu->index, cpu->apic_id);
    } else if (map_run(cpu, error) && kvm_ring_map(cpu, error) && kvm_cpuid_set(cpu, error) &&
               kvm_tsc_init(cpu, error)) {
        fcntl(k->fd, F_SETFD, FD_CLOEXEC);
        set_up_machine_checks(cpu);
        return true;
    }
    kvm_cpu_destroy(cpu);
    return false;
}

/* After a reset or a load: all registers go to the kernel before the next instruction. */
static void kvm_flush(void)
{
    VCPU_FOREACH (cpu) {
        if (cpu->kvm) {
            cpu->kvm->in_kernel = false;
            cpu->kvm->put_all = true;
            cpu->kvm->lost = false;
        }
    }
}

const struct accel_ops accel_kvm = {
    .name = "kvm",
    .description = "Linux KVM",
    .init = kvm_init,
    .supported_features = kvm_supported_features,
    .supported_cpuid = kvm_host_cpuid,
    .cpu_create = kvm_cpu_create,
    .cpu_destroy = kvm_cpu_destroy,
    .cpu_run = kvm_cpu_run,
    .cpu_kick = kvm_cpu_kick,
    .cpu_is_halted = kvm_cpu_is_halted,
    .get_state = kvm_get_state,
    .put_state = kvm_put_state,
    .flush = kvm_flush,
    .dirty_log_start = kvm_dirty_log_start,
    .dirty_log_protect = kvm_dirty_log_protect,
    .dirty_log_stop = kvm_dirty_log_stop,
    .dirty_log_fetch = kvm_dirty_log_fetch,
    .dirty_log_refresh = kvm_dirty_log_refresh,
    .dirty_log_arm = kvm_dirty_log_arm,
};
