# SPDX-License-Identifier: GPL-2.0-or-later
"""Two libvirtd on one machine, for what `virsh` does with the machine under test: it starts, saves and moves guests
as an operator would, and nothing of libvirt is patched.

Each daemon is a host of its own: network, mounts, processes, host name. A host is held together by its first process,
whose end takes daemon and guests with it, and which ends when the test does, however that ends; nothing of it has a
name outside, so that several such tests may run at once."""
import atexit
import ctypes
import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import zlib

import ferry
import linux
from ferry import BINARY, PATIENCE, Failure, Skip, require

VIRTUALIZATION = 'kvm' if ferry.ACCEL == 'kvm' else 'qemu'  # libvirt's words for the accelerator
TOOLS = ('libvirtd', 'virsh', 'unshare', 'nsenter', 'ip')
# Where a daemon keeps things, and what stands in for it: each host sees its own.
FOLDERS = {'etc': '/etc/libvirt', 'lib': '/var/lib/libvirt', 'run': '/run/libvirt', 'cache': '/var/cache/libvirt',
           'log': '/var/log/libvirt'}
PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

LIBVIRTD_CONF = """
listen_tls = 0
listen_tcp = 1
listen_addr = "0.0.0.0"
auth_tcp = "none"
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
host_uuid = "%s"
log_outputs = "1:file:/var/log/libvirt/libvirtd.log"
log_filters = "1:qemu.qemu_monitor 3:*"
"""
QEMU_CONF = """
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = [ ]
cgroup_controllers = [ ]
stdio_handler = "file"
migration_host = "%s"
"""
# The first process ignores SIGCHLD, so that what ends is gone at once, or libvirt would wait for it (dash cannot do
# that). Without control groups libvirt asks for none. /dev/kvm must be absent, not only unusable, or libvirt probes
# again and again why KVM, which it sees, does not work.
SET_UP = """
hostname "$2"
for p in %s; do mkdir -p ${p#*:}; mount --bind "$1/${p%%%%:*}" ${p#*:}; done
mount --bind "$1/passwd" /etc/passwd; mount --bind "$1/group" /etc/group
umount -l -R /sys/fs/cgroup 2>/dev/null
if [ "$3" = qemu ] && [ -e /dev/kvm ]; then
    mkdir "$1/dev"; mount -t tmpfs -o mode=755 dev "$1/dev"
    cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$1/dev"
    mkdir "$1/dev/pts" "$1/dev/shm" "$1/dev/net"
    mount --rbind /dev/pts "$1/dev/pts"; mount --rbind /dev/shm "$1/dev/shm"
    mknod -m 666 "$1/dev/ptmx" c 5 2; ln -s /proc/self/fd "$1/dev/fd"
    [ ! -c /dev/net/tun ] || cp -a /dev/net/tun "$1/dev/net"
    mount --move "$1/dev" /dev
fi
echo set up
trap '' CHLD
exec sleep infinity
""" % ' '.join('%s:%s' % item for item in FOLDERS.items())


def end_with_parent():
    """What is about to run gets SIGKILL when this program ends."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Host:
    """A host with one libvirtd. `dir` holds what it sees as its libvirt folders."""

    def __init__(self, folder, name, number):
        self.name, self.dir, self.address = name, os.path.join(folder, name), '10.77.0.%d' % number
        self.daemon = None
        self.write_files('%d%d111111-1111-4111-8111-111111111111' % (number, number))
        command = ['unshare', '--net', '--mount', '--uts', '--ipc', '--pid', '--fork', '--kill-child', '--mount-proc',
                   '--propagation', 'private', 'bash', '-c', SET_UP, 'bash', self.dir, 'ferry-' + name,
                   VIRTUALIZATION]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, preexec_fn=end_with_parent)
        if self.process.stdout.readline() != 'set up\n':
            raise Skip('no namespaces: ' + self.process.stderr.read().strip())
        with open('/proc/%d/task/%d/children' % ((self.process.pid,) * 2), encoding='ascii') as f:
            self.first = f.read().split()[0]

    def write_files(self, uuid):
        for name in FOLDERS:
            os.makedirs(os.path.join(self.dir, name))
        os.makedirs(self.dir + '/log/qemu')
        os.makedirs(self.dir + '/lib/qemu')
        # libvirtd resolves this user even if it has no use for it, and only its larger packages make it.
        user = 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin'
        group = 'libvirt-qemu:x:64055:'
        files = {'etc/libvirtd.conf': LIBVIRTD_CONF % uuid, 'etc/qemu.conf': QEMU_CONF % self.address,
                 'etc/libvirt.conf': '', 'passwd': with_line('/etc/passwd', user),
                 'group': with_line('/etc/group', group)}
        for name, content in files.items():
            with open(os.path.join(self.dir, name), 'w', encoding='utf-8') as f:
                f.write(content)

    def inside(self, *command):
        return ['nsenter', '-t', self.first, '--net', '--mount', '--uts', '--ipc', '--pid', *command]

    def connect(self, device):
        for command in ('link set lo up', 'addr add %s/24 dev %s' % (self.address, device),
                        'link set %s up' % device):
            subprocess.run(self.inside('ip', *command.split()), check=True)

    def start(self):
        log = open(self.dir + '/log/stdout', 'ab')
        command = self.inside('env', '-i', 'PATH=' + PATH, 'LC_ALL=C', 'libvirtd', '--listen', '--timeout', '0',
                              '--pid-file', '/run/libvirt/libvirtd.pid')
        self.daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        ferry.wait_until(lambda: self.daemon.poll() is not None or self.call('uri').returncode == 0,
                         'libvirtd to answer')
        require(self.daemon.poll() is None, 'libvirtd ended: ' + self.tail('log/stdout'))

    def stop(self):
        """The daemon only: its guests run on."""
        with open(self.dir + '/run/libvirtd.pid', encoding='ascii') as f:
            subprocess.run(self.inside('kill', f.read().strip()), check=True)
        self.daemon.wait(30 * PATIENCE)

    def restart(self):
        self.stop()
        self.start()

    def virsh_command(self, *arguments):
        return self.inside('virsh', '-q', '-c', 'qemu:///system', *arguments)

    def call(self, *arguments, timeout=120):
        try:
            return subprocess.run(self.virsh_command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=timeout * PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            raise Failure('%s: no end within %d s: virsh %s\n%s' %
                          (self.name, timeout, ' '.join(arguments), self.said())) from None

    def virsh(self, *arguments, timeout=120):
        """What virsh prints. Fails if it does."""
        done = self.call(*arguments, timeout=timeout)
        if done.returncode != 0:
            raise Failure('%s: virsh %s: %s\n%s' %
                          (self.name, ' '.join(arguments), done.stderr.strip(), self.said()))
        return done.stdout

    def refuses(self, *arguments):
        """What virsh says of a command that must fail."""
        done = self.call(*arguments)
        require(done.returncode != 0, '%s: virsh %s should fail, but says %s' %
                (self.name, ' '.join(arguments), done.stdout))
        return done.stderr.strip()

    def tail(self, name, length=1500):
        try:
            with open(os.path.join(self.dir, name), encoding='utf-8', errors='replace') as f:
                return f.read()[-length:]
        except FileNotFoundError:
            return ''

    def said(self):
        """The ends of the guests' logs, and libvirtd's errors and last words with them."""
        logs = ['%s: %s' % (path, self.tail(path)) for path in glob.glob(self.dir + '/log/qemu/*.log')]
        lines = re.findall(r'(?m)^.*(?: error : | QEMU_MONITOR_SEND_MSG| QEMU_MONITOR_RECV_).*$',
                           self.tail('log/libvirtd.log', 40000))
        return '\n'.join(logs + [line[:400] for line in lines if 'virNetDev' not in line][-12:])

    def position(self):
        """Where the monitor's log ends now."""
        path = self.dir + '/log/libvirtd.log'
        return os.path.getsize(path) if os.path.exists(path) else 0

    def events(self, position=0):
        """What the machine has said of its own accord since then, as (event, status or pass)."""
        with open(self.dir + '/log/libvirtd.log', encoding='utf-8', errors='replace') as f:
            f.seek(position)
            lines = re.findall(r'QEMU_MONITOR_RECV_EVENT: .*? event=(\{.*)', f.read())
        return [(re.search(r'"event": ?"(\w+)"', line).group(1),
                 (re.search(r'"(?:status|pass)": ?"?([\w-]+)', line) or [None, None])[1]) for line in lines]

    def close(self):
        self.process.kill()
        self.process.wait()
        if self.daemon:
            self.daemon.kill()
            self.daemon.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def with_line(path, line):
    with open(path, encoding='utf-8') as f:
        content = f.read()
    return content if line.split(':')[0] + ':' in content else content + line + '\n'


class Pair:
    """Two hosts with a cable between them."""

    def __init__(self):
        self.dir, self.hosts = tempfile.mkdtemp(prefix='ferry-libvirt-'), []
        atexit.register(self.close)
        os.chmod(self.dir, 0o755)
        for number, name in enumerate('ab', 1):
            self.hosts.append(Host(self.dir, name, number))
        self.a, self.b = self.hosts
        subprocess.run(['ip', 'link', 'add', 'cable', 'netns', self.a.first, 'type', 'veth', 'peer', 'name', 'cable',
                        'netns', self.b.first], check=True)
        for host in self.hosts:
            host.connect('cable')
            host.start()

    def close(self):
        while self.hosts:
            self.hosts.pop().close()
        shutil.rmtree(self.dir, ignore_errors=True)


PAIR = []


def hosts():
    """The two hosts of this program, brought up when first asked for; no guest is on them."""
    if os.geteuid() != 0:
        raise Skip('not root: no namespaces to run two libvirtd in')
    missing = [tool for tool in TOOLS if not shutil.which(tool, path=PATH)]
    if missing:
        raise Skip('no %s: install libvirt-daemon, libvirt-daemon-driver-qemu, libvirt-clients, iproute2' %
                   ', '.join(missing))
    if not PAIR:
        PAIR.append(Pair())
    for host in PAIR[0].hosts:
        for name in host.virsh('list', '--name').split():
            host.virsh('destroy', name)
        for name in host.virsh('list', '--name', '--all').split():
            host.virsh('undefine', name, '--managed-save')
        for path in glob.glob(host.dir + '/lib/qemu/*.log'):
            os.unlink(path)
    return PAIR[0].a, PAIR[0].b


DOMAIN = """<domain type='{virtualization}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory}</memory>
  <currentMemory unit='MiB'>{memory}</currentMemory>
  <vcpu placement='static'>{smp}</vcpu>
  {before}
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>console=ttyS0 quiet rdinit=/init no_timer_check guest.tick {append}</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>{on_crash}</on_crash>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='none'/>
    <serial type='file'>
      <source path='/var/lib/libvirt/qemu/serial.log' append='on'/>
      <target port='0'/>
    </serial>
    {balloon}
    {devices}
  </devices>
  {after}
</domain>
"""
BALLOON = "<memballoon model='virtio'><stats period='2'/></memballoon>"


class Guest:
    """A Debian guest as libvirt knows it; it says `tick` once a second on its serial port."""

    def __init__(self, name='guest', memory=256, smp=1, append='', balloon=BALLOON, devices='', before='', after='',
                 on_crash='destroy'):
        version = linux.kernel_version('cloud-amd64')
        self.name, self.on = name, None
        self.xml = DOMAIN.format(virtualization=VIRTUALIZATION, name=name, memory=memory, smp=smp, append=append,
                                 balloon=balloon, devices=devices, before=before, after=after, on_crash=on_crash,
                                 uuid='aaaaaaaa-0000-4000-8000-%012x' % zlib.crc32(name.encode()),
                                 emulator=os.path.realpath(BINARY), kernel='/boot/vmlinuz-' + version,
                                 initrd=os.path.realpath(linux.initrd(version)))

    @classmethod
    def documented(cls, path, append=''):
        """A domain out of docs/libvirt/, with what runs here put in."""
        with open(path, encoding='utf-8') as f:
            xml = f.read()
        guest = cls(re.search(r'<name>(.*)</name>', xml).group(1), append=append)
        patterns = [r"<domain type='\w+'"] + ['<%s>.*</%s>' % (name, name)
                                              for name in ('kernel', 'initrd', 'cmdline', 'emulator')]
        for pattern in patterns:
            ours = re.search(pattern, guest.xml).group(0)
            xml, count = re.subn(pattern, lambda _, ours=ours: ours, xml)
            require(count == 1, '%s has no %s' % (path, pattern))
        guest.xml = xml
        return guest

    def file(self, host):
        path = os.path.join(host.dir, 'lib', self.name + '.xml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(self.xml)
        return os.path.join(FOLDERS['lib'], self.name + '.xml')

    def create(self, host, *options, ticks=True):
        """Starts it without a lasting definition."""
        host.virsh('create', self.file(host), *options)
        self.on = host
        return self.wait_tick() if ticks else self

    def define(self, host):
        host.virsh('define', self.file(host))
        self.on = host
        return self

    def virsh(self, command, *arguments, timeout=120):
        return self.on.virsh(command, self.name, *arguments, timeout=timeout)

    def monitor(self, command):
        return self.virsh('qemu-monitor-command', command)

    def serial(self):
        return self.on.tail('lib/qemu/serial.log', 1 << 20)

    def ticks(self):
        return [int(n) for n in re.findall(r'tick (\d+)\r?\n', self.serial())]

    def wait_tick(self, timeout=90):
        """It runs: two more ticks come."""
        before = len(self.ticks())
        end = time.time() + timeout * PATIENCE
        while len(self.ticks()) < before + 2:
            if time.time() > end:
                raise Failure('no tick from %s on %s within %d s; its serial port: %s\n%s' %
                              (self.name, self.on.name, timeout, self.serial()[-800:], self.on.said()))
            time.sleep(0.1)
        return self

    def wait_serial(self, pattern, timeout=60):
        ferry.wait_until(lambda: re.search(pattern, self.serial()), '%r on the serial port' % pattern, timeout)

    def state(self):
        return self.virsh('domstate').strip()

    def wait_state(self, want, timeout=60):
        ferry.wait_until(lambda: self.state() == want, '%s to be %s' % (self.name, want), timeout)

    def gone(self, timeout=60):
        ferry.wait_until(lambda: self.name not in self.on.virsh('list', '--name').split(), self.name + ' to be gone',
                         timeout)

    def migrate_command(self, to, *options):
        uri = 'qemu+tcp://%s/system' % to.address
        where = [] if '--tunnelled' in options else ['--migrateuri', 'tcp://' + to.address]
        return ['migrate', *options, self.name, uri, *where]

    def migrate(self, to, *options, timeout=120, ticks=True):
        """Moves it; it must run there, and be where it was: its next tick follows the last one here."""
        last = self.ticks()[-1] if self.ticks() else 0
        source = self.on
        source.virsh(*self.migrate_command(to, *(options or ('--live',))), timeout=timeout)
        self.on = to
        if ticks:
            self.wait_tick()
            require(self.ticks()[-1] > last, 'after the migration its tick is %d, before it was %d' %
                    (self.ticks()[-1], last))
        require(self.name not in source.virsh('list', '--name').split(), '%s is still on %s' %
                (self.name, source.name))
        return self


def background(host, *arguments):
    """A virsh command that goes on by itself."""
    return subprocess.Popen(host.virsh_command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
