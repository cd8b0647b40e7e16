# SPDX-License-Identifier: GPL-2.0-or-later
"""One Debian guest that boots, works and migrates: short enough for the sanitizer builds."""
from ferry import case, migrate, wait_status
from linux import Linux, check_data


@case
def boots_and_migrates_with_hints():
    vm = Linux(hints=True, smp=2).boot(120)
    vm.shell('guest-tool text 1 | gzip -c | gunzip -c | md5sum', 120)
    vm.shell('guest-tool hog 100', 60)
    target = Linux(hints=True, smp=2, incoming='defer', name='target').take_over(vm)
    vm.qmp.command('migrate-set-parameters', max_bandwidth=1 << 40)
    migrate(vm, target, timeout=120)
    wait_status(target, 'running')
    target.shell('guest-tool hog 50', 60)
    check_data(target)
    target.send('poweroff -f\n')
    target.wait_exit(60)


if __name__ == '__main__':
    import ferry
    ferry.main()
