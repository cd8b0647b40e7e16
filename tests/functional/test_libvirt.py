# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt drives the machine: what an operator does with virsh, on two hosts. `make check` runs the main things (see
scripts/run-tests), `make check-slow` all."""
import os
import re
import shutil
import subprocess
import time

import ferry
import libvirt
from ferry import BINARY, TOP, Failure, Skip, case, require, slow_case, wait_until
from libvirt import Guest, background, hosts

# What the source says of a migration that goes well, in QEMU's order, from setup to the switchover and from there on.
BEFORE_SWITCHOVER = [('MIGRATION', 'setup'), ('MIGRATION_PASS', '1'), ('MIGRATION', 'active'),
                     ('MIGRATION_PASS', '2')]
SWITCHOVER = [('STOP', None), ('MIGRATION', 'pre-switchover'), ('MIGRATION', 'device'), ('MIGRATION_PASS', None),
              ('MIGRATION', 'completed')]
ARRIVAL = [('MIGRATION', 'setup'), ('MIGRATION', 'active'), ('MIGRATION', 'completed'), ('RESUME', None)]


def check_events(seen, want_first, want_last):
    """`seen` begins and ends as it should; passes between may be more than two."""
    seen = [event for event in seen if event[0] in ('MIGRATION', 'MIGRATION_PASS', 'STOP', 'RESUME')]
    last = [(name, None if name == 'MIGRATION_PASS' and want[1] is None else value)
            for (name, value), want in zip(seen[-len(want_last):], want_last)]
    require(seen[:len(want_first)] == want_first and last == want_last, 'events in this order: %s' % seen)


# ---- the main things ----

@case
def capabilities():
    """libvirt takes the binary for an emulator, and knows what it has."""
    a, _ = hosts()
    xml = a.virsh('domcapabilities', '--emulatorbin', BINARY, '--virttype', libvirt.VIRTUALIZATION, '--machine', 'pc')
    require('<machine>pc-i440fx-7.2</machine>' in xml, xml)


@case
def there_and_back():
    """Every event in QEMU's order on both sides."""
    a, b = hosts()
    guest = Guest().create(a)
    for source, target in ((a, b), (b, a)):
        at = {host: host.position() for host in (a, b)}
        guest.migrate(target)
        check_events(source.events(at[source]), BEFORE_SWITCHOVER, SWITCHOVER)
        check_events(target.events(at[target]), ARRIVAL, ARRIVAL)


@case
def save_and_restore():
    a, _ = hosts()
    guest = Guest().create(a)
    path = '/var/lib/libvirt/saved'
    for _ in range(2):
        last = guest.ticks()[-1]
        guest.virsh('save', path)
        require('guest' not in a.virsh('list', '--all', '--name'), 'it is still there')
        a.virsh('restore', path)
        guest.wait_tick()
        require(last < guest.ticks()[-1] < last + 60, 'ticks after the restore: %s, before: %d' %
                (guest.ticks(), last))


@case
def suspend_and_resume():
    a, _ = hosts()
    guest = Guest().create(a)
    guest.virsh('suspend')
    require(guest.state() == 'paused', guest.state())
    count = len(guest.ticks())
    time.sleep(2)
    require(len(guest.ticks()) == count, 'it ticks while it is suspended')
    guest.virsh('resume')
    guest.wait_tick()
    require(guest.state() == 'running', guest.state())


@case
def shutdown():
    """The power button; the guest turns itself off."""
    a, _ = hosts()
    guest = Guest().define(a)
    guest.virsh('start')
    guest.wait_tick()
    guest.virsh('shutdown')
    guest.wait_serial('GUEST-POWEROFF')
    guest.gone()
    require(guest.state() == 'shut off', guest.state())


DOMAINS = os.path.join(TOP, 'docs', 'libvirt')


@case
def documented_domains_are_valid():
    if not shutil.which('virt-xml-validate') or not shutil.which('xmllint'):
        raise Skip('no virt-xml-validate or xmllint: install libvirt-clients and libxml2-utils')
    names = sorted(name for name in os.listdir(DOMAINS) if name.endswith('.xml'))
    require(len(names) >= 2, str(names))
    for name in names:
        done = subprocess.run(['virt-xml-validate', os.path.join(DOMAINS, name), 'domain'], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        require(done.returncode == 0, '%s: %s' % (name, done.stdout))


# ---- free pages ----

HOG = 'guest.run=guest-tool+hog+200 init_on_alloc=0'  # uses memory, and gives it back


@slow_case
def hints():
    """What a guest gave back is not sent; the event tells of it, and query-migrate does while the migration runs."""
    a, b = hosts()
    guest = Guest.documented(os.path.join(DOMAINS, 'free-page-hint.xml'), HOG).create(a)
    guest.wait_serial('GUEST-HOG')
    watch = background(a, 'qemu-monitor-event', guest.name, '--event', 'FREE_PAGE_HINT', '--timeout', '120')
    command = start_slowly(guest, b)
    wait_until(lambda: '"accepted":0' not in guest.monitor('{"execute":"query-migrate"}'), 'the first hint')
    guest.virsh('migrate-setspeed', '1000')
    require(command.wait(120) == 0, command.stdout.read())
    said = watch.communicate(timeout=180)[0]
    covered = re.search(r'"covered":(\d+)', said)
    require('"state":"stopped"' in said and int(covered.group(1)) > 150 << 20, 'the event: ' + said)
    guest.on = b
    guest.wait_tick()
    sent = job(guest, '--completed')['Normal data'].split()
    require(sent[1] == 'MiB' and float(sent[0]) < 150, 'sent: %s' % sent)


@slow_case
def reporting():
    """What a guest gave back is the host's at once, and nothing of it is sent."""
    a, b = hosts()
    guest = Guest.documented(os.path.join(DOMAINS, 'free-page-reporting.xml'), HOG).create(a)
    guest.wait_serial('GUEST-HOG')
    time.sleep(5)  # Linux reports every two seconds
    guest.migrate(b)
    sent = job(guest, '--completed')['Normal data'].split()
    require(sent[1] == 'MiB' and float(sent[0]) < 150, 'sent: %s' % sent)


# ---- ways to migrate ----

WAYS = (('--live', '--p2p'), ('--live', '--p2p', '--tunnelled'), ('--live', '--auto-converge'),
        ('--live', '--p2p', '--abort-on-error'), ('--live', '--bandwidth', '200'), ('--live', '--verbose'), ())


def hop(guest, a, b, *options, **kwargs):
    return guest.migrate(b if guest.on is a else a, *options, **kwargs)


@slow_case
def ways_to_migrate():
    a, b = hosts()
    guest = Guest().create(a)
    for way in WAYS:
        hop(guest, a, b, *way)


@slow_case
def persistent():
    """The definition goes with the guest."""
    a, b = hosts()
    guest = Guest().define(a)
    guest.virsh('start')
    guest.wait_tick()
    guest.migrate(b, '--live', '--persistent', '--undefinesource')
    require('guest' not in a.virsh('list', '--all', '--name'), 'the source still has a definition')
    guest.virsh('destroy')
    require(guest.state() == 'shut off', guest.state())
    guest.virsh('start')
    guest.wait_tick()


@slow_case
def arrives_suspended():
    a, b = hosts()
    guest = Guest().create(a)
    guest.migrate(b, '--live', '--suspend', ticks=False)
    require(guest.state() == 'paused', guest.state())
    count = len(guest.ticks())
    time.sleep(2)
    require(len(guest.ticks()) == count, 'it ticks while it is suspended')
    guest.virsh('resume')
    guest.wait_tick()
    guest.virsh('suspend')
    guest.migrate(a, '--live', ticks=False)
    require(guest.state() == 'paused', 'it was suspended, and arrives %s' % guest.state())
    guest.virsh('resume')
    guest.wait_tick()


@slow_case
def busy():
    """A guest that writes and checks memory all the time."""
    a, b = hosts()
    guest = Guest(append='guest.run=guest-tool+counter+2000', smp=2).create(a)
    for _ in range(4):
        hop(guest, a, b)
    require('GUEST-CORRUPT' not in guest.serial(), guest.serial()[-500:])


@slow_case
def auto_converge():
    """A guest that writes faster than it is sent arrives since its vCPUs are slowed down; domjobinfo shows it."""
    a, b = hosts()
    guest = Guest(append='guest.run=guest-tool+counter+16000', memory=384).create(a)
    guest.virsh('migrate-setspeed', '30')
    command = background(a, *guest.migrate_command(b, '--live', '--auto-converge', '--bandwidth', '30'))
    wait_until(lambda: 'Auto converge throttle' in job_text(guest) or command.poll() is not None, 'the throttle', 60)
    throttled = job_text(guest) if command.poll() is None else ''
    require(command.wait(240) == 0, command.stdout.read())
    require('Auto converge throttle' in throttled, 'it arrived unthrottled')
    guest.on = b
    guest.wait_tick()
    require('GUEST-CORRUPT' not in guest.serial(), guest.serial()[-500:])


@slow_case
def panicked():
    """A guest whose kernel has given up goes there and back as any other; nothing revives it."""
    a, b = hosts()
    guest = Guest(append='unknown_nmi_panic panic=0').create(a)
    guest.virsh('inject-nmi')
    guest.wait_serial('Kernel panic')
    for to in (b, a):
        guest.migrate(to, ticks=False)
        require(guest.state() == 'running', guest.state())


@slow_case
def panicked_and_told():
    """With a panic device libvirt knows, and does as on_crash says."""
    a, _ = hosts()
    for on_crash, state in (('destroy', None), ('preserve', 'crashed')):
        guest = Guest(append='unknown_nmi_panic', devices="<panic model='isa'/>", on_crash=on_crash).create(a)
        guest.virsh('inject-nmi')
        if state:
            guest.wait_state(state)
            guest.virsh('destroy')
        else:
            guest.gone()


def job(guest, *options):
    """domjobinfo's lines as a dictionary."""
    text = guest.virsh('domjobinfo', *options)
    return dict(re.match(r'([^:]+):\s+(.*?)\s*$', line).groups() for line in text.splitlines() if ':' in line)


def job_text(guest):
    return guest.on.call('domjobinfo', guest.name).stdout


def start_slowly(guest, target, *options):
    """A migration that takes long, seen under way."""
    command = background(guest.on, *guest.migrate_command(target, '--live', '--bandwidth', '4', *options))
    wait_until(lambda: 'Data processed' in job_text(guest) or command.poll() is not None, 'the migration to begin')
    if command.poll() is not None:
        raise Failure('the migration ended: ' + command.stdout.read())
    return command


@slow_case
def aborted():
    """domjobabort in the middle: the guest runs on, nothing is left over there, and it migrates the next time."""
    a, b = hosts()
    guest = Guest().create(a)
    for options in ((), ('--p2p',)):
        at = a.position()
        command = start_slowly(guest, b, *options)
        guest.virsh('domjobabort')
        require(command.wait(60) != 0, 'the migration ended well')
        require('canceled' in command.stdout.read(), 'virsh does not call it cancelled')
        guest.wait_tick()
        require(guest.state() == 'running' and not b.virsh('list', '--name').strip(), 'after the abort')
        statuses = [value for name, value in a.events(at) if name == 'MIGRATION']
        require(statuses == ['setup', 'active', 'cancelling', 'cancelled'], str(statuses))
    guest.migrate(b)


@slow_case
def faster_on_the_way():
    """migrate-setspeed and migrate-setmaxdowntime change a migration under way; domjobinfo shows it."""
    a, b = hosts()
    guest = Guest().create(a)
    command = start_slowly(guest, b)
    before = job(guest)
    require(before['Job type'] == 'Unbounded' and before['Operation'] == 'Outgoing migration', str(before))
    guest.virsh('migrate-setmaxdowntime', '500')
    require('500' in guest.virsh('migrate-getmaxdowntime'), guest.virsh('migrate-getmaxdowntime'))
    guest.virsh('migrate-setspeed', '1000')
    require(command.wait(60) == 0, command.stdout.read())
    guest.on = b
    guest.wait_tick()
    after = job(guest, '--completed')
    for name in ('Total downtime', 'Memory processed', 'Memory total', 'Constant pages', 'Normal pages', 'Iteration',
                 'Setup time', 'Page size'):
        require(name in after, 'no %s in %s' % (name, after))


@slow_case
def restarted_during_a_migration():
    """A libvirtd that comes back finds its guests; a migration that it had under way is over."""
    a, b = hosts()
    guest = Guest().create(a)
    command = start_slowly(guest, b)
    a.restart()
    require(command.wait(60) != 0, 'virsh lost its daemon and says that all is well')
    guest.wait_tick()
    require(guest.state() == 'running', guest.state())
    wait_until(lambda: not b.virsh('list', '--name').strip(), 'the other host to give up')
    guest.migrate(b)
    command = start_slowly(guest, a, '--p2p')
    a.restart()
    require(command.wait(120) != 0, 'the target lost its guest and virsh says that all is well')
    guest.wait_tick()
    guest.migrate(a)


@slow_case
def reconnect():
    a, _ = hosts()
    guest = Guest().create(a)
    a.restart()
    guest.wait_tick()
    require(guest.state() == 'running', guest.state())
    guest.virsh('suspend')
    a.restart()
    require(guest.state() == 'paused', guest.state())
    a.stop()
    guest_ticks = len(guest.ticks())
    a.start()
    guest.virsh('resume')
    guest.wait_tick()
    require(len(guest.ticks()) > guest_ticks, 'it stands')


# ---- a guest's life ----

@slow_case
def managed_save():
    a, _ = hosts()
    guest = Guest().define(a)
    guest.virsh('start')
    guest.wait_tick()
    last = guest.ticks()[-1]
    guest.virsh('managedsave')
    require(guest.state() == 'shut off', guest.state())
    guest.virsh('start')
    guest.wait_tick()
    require(last < guest.ticks()[-1] < last + 60, 'it began anew: %s' % guest.ticks())


@slow_case
def reboot_and_reset():
    a, _ = hosts()
    guest = Guest().create(a)
    for n, command in enumerate(('reboot', 'reset'), 2):
        guest.virsh(command)
        wait_until(lambda n=n: guest.ticks().count(1) == n, 'the guest to begin again after ' + command, 90)
        guest.wait_tick()
        require(guest.state() == 'running', guest.state())


def memory_statistics(guest):
    return {name: int(value) for name, value in re.findall(r'(\S+) (\d+)', guest.virsh('dommemstat'))}


@slow_case
def memory():
    """dommemstat has the guest's own figures; setmem moves its balloon."""
    a, _ = hosts()
    guest = Guest().create(a)
    guest.virsh('dommemstat', '--period', '1', '--live')
    wait_until(lambda: 'unused' in memory_statistics(guest), 'statistics')
    before = memory_statistics(guest)
    require(before['actual'] == 256 << 10 and 0 < before['unused'] < before['available'] < 256 << 10, str(before))
    guest.virsh('setmem', '160M', '--live')
    wait_until(lambda: memory_statistics(guest)['actual'] == 160 << 10, 'the balloon to be full')
    wait_until(lambda: memory_statistics(guest)['unused'] < before['unused'] - (64 << 10), 'the guest to have less')
    guest.virsh('setmem', '256M', '--live')
    wait_until(lambda: memory_statistics(guest)['actual'] == 256 << 10, 'the balloon to be empty')


@slow_case
def monitor_and_statistics():
    a, _ = hosts()
    guest = Guest().create(a)
    require('"status":"running"' in guest.monitor('{"execute":"query-status"}'), 'query-status')
    require('VM status: running' in guest.virsh('qemu-monitor-command', '--hmp', 'info status'), 'info status')
    statistics = guest.on.virsh('domstats', guest.name)
    for name in ('state.state=1', 'balloon.current=262144', 'vcpu.current=1'):
        require(name in statistics, statistics)
    require('"return"' in guest.monitor('{"execute":"query-migrate"}'), 'query-migrate')
    require('no-such' in guest.monitor('{"execute":"no-such"}'), 'a command that is not there')


# ---- disks ----

DISK = """<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/><source file='%s'/>
<target dev='vda' bus='virtio'/></disk>"""


def image(folder, mib):
    path = os.path.join(folder, 'disk.raw')
    with open(path, 'wb') as f:
        f.truncate(mib << 20)
    return path


def blocks_written(guest):
    return int(re.search(r'vda wr_req (\d+)', guest.virsh('domblkstat', 'vda')).group(1))


@slow_case
def disk_moves():
    """A guest that writes to its disk goes there and back, and goes on writing at each place."""
    a, b = hosts()
    guest = Guest(append='guest.run=dd+if=/dev/zero+of=/dev/vda+bs=4k+oflag=direct',
                  devices=DISK % image(os.path.dirname(a.dir), 4096)).create(a)
    for _ in range(2):
        wait_until(lambda: blocks_written(guest) > 100, 'the guest to write')
        hop(guest, a, b, '--live', '--unsafe')
    wait_until(lambda: blocks_written(guest) > 100, 'the guest to write where it began')


# ---- hot plug ----

NETWORK = "<interface type='user'><mac address='52:54:00:12:34:99'/><model type='virtio'/></interface>"


@slow_case
def interface_is_attached_and_detached():
    a, _ = hosts()
    guest = Guest(append='guest.run=watch+-n+1+cat+/proc/net/dev').create(a)
    with open(a.dir + '/lib/nic.xml', 'w', encoding='utf-8') as f:
        f.write(NETWORK)
    guest.virsh('attach-device', '/var/lib/libvirt/nic.xml', '--live')
    guest.wait_serial(r'eth0:')
    require('52:54:00:12:34:99' in guest.virsh('domiflist'), guest.virsh('domiflist'))
    guest.virsh('detach-device', '/var/lib/libvirt/nic.xml', '--live')
    wait_until(lambda: '52:54:00:12:34:99' not in guest.virsh('domiflist'), 'the interface to be gone')


@slow_case
def disk_is_attached_and_detached():
    a, _ = hosts()
    guest = Guest(append='guest.run=watch+-n+1+cat+/proc/partitions').create(a)
    path = '/var/lib/libvirt/' + os.path.basename(image(a.dir + '/lib', 8))
    guest.virsh('attach-disk', path, 'vdb', '--driver', 'qemu', '--subdriver', 'raw', '--targetbus', 'virtio', '--live')
    guest.wait_serial(r'8192 vda')
    require('vdb' in guest.virsh('domblklist'), guest.virsh('domblklist'))
    guest.virsh('detach-disk', 'vdb', '--live')
    wait_until(lambda: 'vdb' not in guest.virsh('domblklist'), 'the disk to be gone')
    wait_until(lambda: 'vda' not in guest.serial()[-250:], 'the guest to see it gone')


ferry.main()
