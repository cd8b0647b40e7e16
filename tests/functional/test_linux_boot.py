# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernels boot, see the machine they should, compute rightly, and go down."""
import hashlib
import subprocess

import ferry
from ferry import case, require
from linux import Linux, tool


def boots(flavour, smp, **kwargs):
    vm = Linux(flavour=flavour, smp=smp, hints=True, **kwargs).boot(120)
    count = vm.shell('grep -c ^processor /proc/cpuinfo').strip()
    require(count == str(smp), '%s processors, want %d' % (count, smp))
    text = subprocess.run([tool(), 'text', '4'], stdout=subprocess.PIPE, check=True).stdout
    want = hashlib.sha256(text).hexdigest()
    got = vm.shell('guest-tool text 4 | sha256sum', 120).split()[0]
    require(got == want, 'sha256 is %s, want %s' % (got, want))
    again = vm.shell('guest-tool text 4 | gzip -c | gunzip -c | sha256sum', 120).split()[0]
    require(again == want, 'sha256 through gzip is %s' % again)
    features = vm.shell('cat /sys/bus/virtio/devices/virtio0/features').strip()
    require(features[3] == '1', 'the driver has not negotiated free page hinting: ' + features)
    vm.send('poweroff -f\n')
    require(vm.wait_exit(30) == 0, 'exit code %d' % vm.process.returncode)


@case
def cloud_1_vcpu():
    boots('cloud-amd64', 1)


@case
def cloud_4_vcpus():
    boots('cloud-amd64', 4)


@case
def generic_1_vcpu():
    boots('amd64', 1)


@case
def generic_4_vcpus():
    boots('amd64', 4)


@case
def cpu_max():
    boots('cloud-amd64', 2, args=['-cpu', 'max'])


@case
def reboots():
    vm = Linux().boot()
    start = len(vm.log)
    vm.send('reboot -f\n')
    vm.expect(rb'GUEST-READY', 120, start)
    vm.qmp.wait_event('RESET')


@case
def power_button_and_panic():
    vm = Linux(append='panic=-1', args=['-no-reboot']).boot()
    vm.send('echo c > /proc/sysrq-trigger\n')
    require(vm.wait_exit(60) == 0, 'exit code %d' % vm.process.returncode)


@case
def balloon_inflates_and_deflates():
    vm = Linux().boot()
    vm.qmp.command('balloon', value=256 << 20)
    ferry.wait_until(lambda: vm.qmp.command('query-balloon')['actual'] == 256 << 20, 'the balloon to inflate')
    total = int(vm.shell('grep MemTotal /proc/meminfo').split()[1])
    require(total < 300000, 'MemTotal is %d kB at 256 MiB' % total)
    vm.qmp.command('balloon', value=512 << 20)
    ferry.wait_until(lambda: vm.qmp.command('query-balloon')['actual'] == 512 << 20, 'the balloon to deflate')
    vm.shell('guest-tool hog 300', 60)


@case
def balloon_statistics():
    vm = Linux().boot()
    path = '/machine/peripheral/bal0'
    vm.qmp.command('qom-set', path=path, property='guest-stats-polling-interval', value=1)
    ferry.wait_until(lambda: vm.qmp.command('qom-get', path=path, property='guest-stats')['last-update'] > 0,
                     'statistics')
    stats = vm.qmp.command('qom-get', path=path, property='guest-stats')['stats']
    require(0 < stats['stat-total-memory'] < 512 << 20, str(stats))


ferry.main()
