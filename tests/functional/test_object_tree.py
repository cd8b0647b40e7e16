# SPDX-License-Identifier: GPL-2.0-or-later
"""The tree of objects, types and their properties, and the queries about CPUs and machines: what management software
asks to find out what this program can do, and what it has made of a machine."""
import json
import subprocess

import ferry
from ferry import Vm, case, require

PERIPHERAL = '/machine/peripheral'
BALLOON = PERIPHERAL + '/balloon0'
CPU0 = '/machine/unattached/device[0]'
# What JSON a property of a type is.
JSON_TYPES = {'bool': bool, 'uint8': int, 'uint16': int, 'uint32': int, 'uint64': int, 'int32': int, 'int': int,
              'size': int, 'strList': list, 'guest statistics': dict}


def machine(*args, **kwargs):
    return Vm(['-S', '-device', 'virtio-balloon-pci,id=balloon0', '-device', 'pvpanic', *args], **kwargs)


def listed(vm, path):
    return {p['name']: p['type'] for p in vm.qmp.command('qom-list', path=path)}


def error_of(vm, command, **arguments):
    try:
        vm.qmp.command(command, **arguments)
    except ferry.QmpError as e:
        return e.error['class'], e.error['desc']
    raise ferry.Failure('%s %r succeeded' % (command, arguments))


def walk(vm, path='/'):
    """Every object's path and what it lists."""
    properties = listed(vm, path)
    yield path, properties
    for name, kind in properties.items():
        if kind.startswith('child<'):
            yield from walk(vm, path.rstrip('/') + '/' + name)


@case
def every_property_of_every_object():
    vm = machine('-object', 'iothread,id=io0', '-object', 'memory-backend-memfd,id=m0,size=16M', smp=2)
    types = {t['name'] for t in vm.qmp.command('qom-list-types')}
    paths = []
    for path, properties in walk(vm):
        paths.append(path)
        kind = vm.qmp.command('qom-get', path=path, property='type')
        require(kind in types, '%s is of type %s, which is not listed' % (path, kind))
        known = {p['name'] for p in vm.qmp.command('qom-list-properties', typename=kind)}
        for name, what in properties.items():
            value = vm.qmp.command('qom-get', path=path, property=name)
            if what.startswith('child<'):
                require(value == path.rstrip('/') + '/' + name, '%s.%s is at %s' % (path, name, value))
                continue
            require(name in known, '%s.%s is not among the properties of %s' % (path, name, kind))
            expected = JSON_TYPES.get(what, str)  # links and enumerations
            require(type(value) is expected, '%s.%s is %r, not of type %s' % (path, name, value, what))
    for path in ('/machine', '/objects/io0', '/objects/m0', BALLOON, '/machine/peripheral-anon/device[0]', CPU0,
                 '/machine/unattached/device[1]'):
        require(path in paths, '%s is not in the tree' % path)
    vm.close()


@case
def vcpu():
    vm = Vm(['-S', '-cpu', 'max,-sse4.2,+svm,check=off'], smp='4,sockets=2,cores=2')
    cpus = vm.qmp.command('query-cpus-fast')
    for index, info in enumerate(cpus):
        path = info['qom-path']
        require(vm.qmp.command('qom-get', path=path, property='type') == 'max-x86_64-cpu', 'type of %s' % path)
        require(vm.qmp.command('qom-get', path=path, property='realized') is True, '%s is not realized' % path)
        for where in ('socket-id', 'core-id', 'thread-id'):
            require(vm.qmp.command('qom-get', path=path, property=where) == info['props'][where], where)
        require(vm.qmp.command('qom-get', path=path, property='apic-id') == index, 'apic-id of %s' % path)
    require(cpus[0]['qom-path'] == CPU0, 'the first vCPU is at %s' % cpus[0]['qom-path'])
    flags = {name: vm.qmp.command('qom-get', path=CPU0, property=name)
             for name, kind in listed(vm, CPU0).items() if kind == 'bool'}
    require(flags['popcnt'] and flags['sse4.1'] and flags['lm'], 'max has no popcnt, sse4.1 or lm: %r' % flags)
    require(not flags['sse4.2'] and not flags['sse4-2'], 'sse4.2 is on, -cpu max,-sse4.2')
    require(not flags['svm'] and not flags['check'], 'svm is on where there is none')
    require(vm.qmp.command('qom-get', path=CPU0, property='unavailable-features') == ['svm'], 'unavailable-features')
    vm.close()


@case
def balloon():
    vm = machine()
    for name in ('free-page-hint', 'free-page-reporting'):
        require(vm.qmp.command('qom-get', path=BALLOON, property=name) is False, name)
    vm.qmp.command('qom-set', path=BALLOON, property='guest-stats-polling-interval', value=2)
    require(vm.qmp.command('qom-get', path=BALLOON, property='guest-stats-polling-interval') == 2, 'not set')
    require(set(vm.qmp.command('qom-get', path='balloon0', property='guest-stats')) == {'stats', 'last-update'},
            'guest-stats by the end of the path')
    require(vm.qmp.command('qom-get', path=BALLOON, property='addr') == 2 << 3, 'not at slot 2')
    vm.close()


@case
def machine_options():
    vm = machine('-machine', 'pc,acpi=off,usb=off,dump-guest-core=off,memory-backend=m0',
                 '-object', 'memory-backend-ram,id=m0,size=256M')
    for name, value in (('acpi', 'off'), ('usb', False), ('dump-guest-core', False), ('pic', 'on'),
                        ('memory-backend', '/objects/m0'), ('kernel', ferry.GUEST)):
        found = vm.qmp.command('qom-get', path='/machine', property=name)
        require(found == value, '%s is %r' % (name, found))
    vm.close()


@case
def refusals():
    vm = machine('-device', 'isa-debug-exit')
    none = 'DeviceNotFound'
    for command, arguments, expected, words in (
            ('qom-list', {'path': '/nowhere'}, none, '/nowhere'),
            ('qom-list', {'path': BALLOON + '/child'}, none, 'child'),
            ('qom-list', {'path': 'device[0]'}, 'GenericError', 'ambiguous'),
            ('qom-list', {'path': ''}, 'GenericError', 'ambiguous'),
            ('qom-get', {'path': BALLOON, 'property': 'colour'}, 'GenericError', 'virtio-balloon-pci.colour'),
            ('qom-set', {'path': BALLOON, 'property': 'colour', 'value': 1}, 'GenericError', 'colour'),
            ('qom-set', {'path': BALLOON, 'property': 'free-page-hint', 'value': True}, 'GenericError', 'realized'),
            ('qom-set', {'path': BALLOON, 'property': 'type', 'value': 'x'}, 'GenericError', 'not writable'),
            ('qom-set', {'path': CPU0, 'property': 'lm', 'value': False}, 'GenericError', 'not writable'),
            ('qom-set', {'path': BALLOON, 'property': 'guest-stats-polling-interval', 'value': 'soon'},
             'GenericError', 'guest-stats-polling-interval'),
            ('qom-list-properties', {'typename': 'colour'}, none, 'colour'),
            ('device-list-properties', {'typename': 'virtio-net-ccw'}, none, "Device 'virtio-net-ccw' not found"),
            ('device-list-properties', {'typename': 'pci-device'}, 'GenericError', 'non-abstract'),
            ('device-list-properties', {'typename': 'container'}, 'GenericError', 'device type')):
        kind, text = error_of(vm, command, **arguments)
        require(kind == expected and words in text, '%s %r: %s: %s' % (command, arguments, kind, text))
    vm.close()


@case
def types():
    vm = machine()
    concrete = {t['name']: t['parent'] for t in vm.qmp.command('qom-list-types')}
    for name, parent in (('isa-serial', 'isa-device'), ('virtio-balloon-pci', 'virtio-balloon-pci-base'),
                         ('PIIX4_PM', 'pci-device'), ('tcg-accel', 'accel'), ('qemu64-x86_64-cpu', 'x86_64-cpu'),
                         ('pc-i440fx-7.2-machine', 'generic-pc-machine'), ('iothread', 'object'),
                         ('memory-backend-file', 'memory-backend')):
        require(concrete.get(name) == parent, '%s: parent %s' % (name, concrete.get(name)))
    every = {t['name']: t for t in vm.qmp.command('qom-list-types', abstract=True)}
    for name, info in every.items():
        require('parent' not in info if name == 'object' else info['parent'] in every, '%s has no parent' % name)
        require(info.get('abstract', False) == (name not in concrete), '%s: abstract' % name)
    virtio = {t['name'] for t in vm.qmp.command('qom-list-types', implements='virtio-pci')}
    named = {n for n in concrete if n.startswith('virtio-') and n.endswith('-pci')}
    require(virtio == named and all(concrete[n] == n + '-base' for n in named), 'virtio: %r and %r' % (virtio, named))
    pci = {t['name'] for t in vm.qmp.command('qom-list-types', implements='pci-device')}
    require('virtio-balloon-pci' in pci and 'isa-serial' not in pci, 'PCI devices: %r' % pci)
    vm.close()


@case
def machines():
    vm = machine()
    found = {m['name']: m for m in vm.qmp.command('query-machines')}
    pc, none = found['pc-i440fx-7.2'], found['none']
    require(pc['alias'] == 'pc' and pc['is-default'] and pc['default-ram-id'] == 'pc.ram', repr(pc))
    require(not none.get('is-default') and 'default-cpu-type' not in none, repr(none))
    types_listed = {t['name'] for t in vm.qmp.command('qom-list-types', implements='machine')}
    require({name + '-machine' for name in found} == types_listed, 'machines and types differ: %r' % types_listed)
    models = {m['typename'] for m in vm.qmp.command('query-cpu-definitions')}
    require(pc['default-cpu-type'] in models, 'default CPU: ' + pc['default-cpu-type'])
    require(vm.qmp.command('query-target') == {'arch': 'x86_64'}, 'query-target')
    # As many as it says, and none more.
    text = subprocess.run([ferry.BINARY, '-smp', str(pc['cpu-max'] + 1)], stderr=subprocess.PIPE,
                          universal_newlines=True).stderr
    require('supports 1 to %d' % pc['cpu-max'] in text, text)
    vm.close()


@case
def vcpus_and_threads():
    vm = machine('-object', 'iothread,id=io0', '-object', 'iothread,id=io1', smp='4,sockets=2,cores=1,threads=2')
    running = {c['qom-path']: c for c in vm.qmp.command('query-cpus-fast')}
    places = vm.qmp.command('query-hotpluggable-cpus')
    require(len(places) == len(running) == 4, '%d places for %d vCPUs' % (len(places), len(running)))
    for place in places:
        require(place['props'] == running[place['qom-path']]['props'], repr(place))
        require(place['type'] == vm.qmp.command('qom-get', path=place['qom-path'], property='type'), repr(place))
    require(len({tuple(sorted(p['props'].items())) for p in places}) == 4, 'two vCPUs in one place')
    threads = vm.qmp.command('query-iothreads')
    require([t['id'] for t in threads] == ['io0', 'io1'], repr(threads))
    for t in threads:
        with open('/proc/%d/task/%d/comm' % (vm.process.pid, t['thread-id']), encoding='ascii') as f:
            require(f.read().strip() == 'IO ' + t['id'], 'thread of %s' % t['id'])
    vm.close()


@case
def probe():
    """A machine without anything answers what this program can do."""
    vm = Vm(['-S', '-machine', 'none' if ferry.ACCEL else 'none,accel=kvm:tcg', '-nographic'], kernel=None,
            memory=None)
    require(listed(vm, '/machine')['peripheral'] == 'child<container>', 'no peripherals')
    require(vm.qmp.command('query-cpus-fast') == [], 'vCPUs in machine none')
    names = {t['name'] for t in vm.qmp.command('qom-list-types')}
    for name in ('isa-serial', 'virtio-balloon-pci', 'pvpanic', 'iothread', 'memory-backend-file'):
        require(name in names, name + ' is not listed')
    properties = {p['name']: p for p in vm.qmp.command('device-list-properties', typename='virtio-balloon-pci')}
    for name in ('addr', 'free-page-hint', 'free-page-reporting', 'deflate-on-oom', 'iothread'):
        require(name in properties, 'virtio-balloon-pci has no ' + name)
    require(properties['addr']['default-value'] == -1 and properties['free-page-hint']['default-value'] is False,
            'defaults: %r' % properties)
    for name in ('memory-backend-file', 'memory-backend-memfd', 'max-x86_64-cpu', 'none-machine'):
        require(vm.qmp.command('qom-list-properties', typename=name), name + ' has no properties')
    vm.qmp.command('query-machines')
    vm.qmp.command('query-cpu-definitions')
    require(error_of(vm, 'query-hotpluggable-cpus')[0] == 'GenericError', 'machine none has places for vCPUs')
    vm.close()


@case
def command_line():
    vm = machine()
    options = {o['option']: {p['name']: p['type'] for p in o['parameters']}
               for o in vm.qmp.command('query-command-line-options')}
    for option, name, kind in (('name', 'debug-threads', 'boolean'), ('smp-opts', 'threads', 'number'),
                               ('memory', 'size', 'size'), ('boot-opts', 'strict', 'boolean'),
                               ('add-fd', 'set', 'number'), ('msg', 'timestamp', 'boolean')):
        require(options[option].get(name) == kind, '-%s: %r' % (option, options[option]))
    require('prop' not in options['device'] and 'nodefaults' not in options, repr(options))
    one = vm.qmp.command('query-command-line-options', option='msg')
    require([o['option'] for o in one] == ['msg'], repr(one))
    require('quantum' in error_of(vm, 'query-command-line-options', option='quantum')[1], 'quantum is an option')
    text = subprocess.run([ferry.BINARY, '-help'], stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout
    for option in options:
        option = {'smp-opts': 'smp', 'memory': 'm', 'boot-opts': 'boot'}.get(option, option)
        require('-%s' % option in text, '-%s is not in -help' % option)
    require(vm.qmp.command('query-jobs') == [], 'jobs')
    vm.close()


@case
def help_and_introspection_agree():
    vm = machine()
    devices = {t['name'] for t in vm.qmp.command('qom-list-types', implements='device')} - \
              {t['name'] for t in vm.qmp.command('qom-list-types', implements='cpu')}
    computed = {'guest-stats', 'guest-stats-polling-interval'}
    for name in devices:
        text = subprocess.run([ferry.BINARY, '-device', name + ',help'], stdout=subprocess.PIPE, check=True,
                              universal_newlines=True).stdout
        helped = {line.split('=')[0].strip() for line in text.split('\n')[1:] if '=' in line}
        told = {p['name'] for p in vm.qmp.command('device-list-properties', typename=name)} - computed
        require(helped == told, '%s: help says %r, QMP %r' % (name, helped, told))
    text = subprocess.run([ferry.BINARY, '-machine', 'pc,help'], stdout=subprocess.PIPE, check=True,
                          universal_newlines=True).stdout
    helped = {line.split('=')[0] for line in text.split('\n')[1:] if line}
    told = set(listed(vm, '/machine'))
    require(helped and helped < told, 'machine options that cannot be asked for: %r' % (helped - told))
    text = subprocess.run([ferry.BINARY, '-device', 'help'], stdout=subprocess.PIPE, check=True,
                          universal_newlines=True).stdout
    helped = {line.split('"')[1] for line in text.split('\n') if line.startswith('name "')}
    require(helped and helped <= devices, 'only in help: %r' % (helped - devices))
    schema = {e['name']: e for e in vm.qmp.command('query-qmp-schema')}
    for option, enumeration in (('-object', 'ObjectType'), ('-netdev', 'NetClientDriver')):
        text = subprocess.run([ferry.BINARY, option, 'help'], stdout=subprocess.PIPE, check=True,
                              universal_newlines=True).stdout
        helped = {line.split()[0] for line in text.split('\n')[1:] if line}
        require(helped == set(schema[enumeration]['values']), '%s help says %r' % (option, helped))
    vm.close()


@case
def members_by_type():
    """What blockdev-add, netdev_add and object-add take for each type, told and enforced; the options take the same."""
    vm = machine()
    schema = {e['name']: e for e in vm.qmp.command('query-qmp-schema')}
    good = {'id': 'x', 'node-name': 'x'}
    for command, tag, kind, given, mandatory, member in (
            ('blockdev-add', 'driver', 'file', {}, 'filename', 'locking'),
            ('blockdev-add', 'driver', 'raw', {}, 'file', 'offset'),
            ('netdev_add', 'type', 'user', {}, 'id', 'hostfwd'), ('netdev_add', 'type', 'tap', {}, 'id', 'vnet_hdr'),
            ('object-add', 'qom-type', 'memory-backend-file', {'size': 4096}, 'mem-path', 'discard-data'),
            ('object-add', 'qom-type', 'rng-random', {}, 'id', 'filename')):
        union = schema[schema[command]['arg-type']]
        require(union['tag'] == tag, repr(union))
        base = {m['name']: m for m in union['members']}
        case = {v['case']: v['type'] for v in union['variants']}[kind]
        members = dict({m['name']: m for m in schema[case]['members']}, **base)
        require('default' in members[member] and 'default' not in members[mandatory], '%s: %r' % (kind, members))
        arguments = dict({k: v for k, v in good.items() if k in base}, **{tag: kind}, **given)
        arguments.pop(mandatory, None)
        require("'%s' is missing" % mandatory in error_of(vm, command, **arguments)[1], mandatory)
        arguments[mandatory] = 'x'
        require("'banana' is unexpected" in error_of(vm, command, banana=1, **arguments)[1], kind)
        option = '-' + command.split('-')[0].split('_')[0]
        for text in (json.dumps(dict(arguments, banana='1')),
                     ','.join('%s=%s' % i for i in dict(arguments, banana='1').items())):
            run = subprocess.run([ferry.BINARY, '-M', 'none', option, text], stderr=subprocess.PIPE, check=False)
            require(run.returncode == 1 and b"'banana' is unexpected" in run.stderr, run.stderr)
    vm.close()


def expand(vm, how, name, **props):
    return vm.qmp.command('query-cpu-model-expansion', type=how, model={'name': name, 'props': props})['model']


@case
def cpu_models():
    vm = machine()
    kvm = vm.qmp.command('query-kvm')['enabled']
    models = {m['name']: m for m in vm.qmp.command('query-cpu-definitions')}
    types_listed = {t['name'] for t in vm.qmp.command('qom-list-types', implements='x86_64-cpu')}
    require({m['typename'] for m in models.values()} == types_listed, 'models and types differ')
    require(models['qemu64']['unavailable-features'] == [] and models['qemu64']['migration-safe'], 'qemu64')
    require(models['host']['unavailable-features'] == ([] if kvm else ['kvm']), 'host: %r' % models['host'])
    require([n for n, m in models.items() if m['static']] == ['base'], 'static models')
    static = expand(vm, 'static', 'qemu64', popcnt=True, family=6)
    require(static['name'] == 'base' and static['props']['popcnt'] and static['props']['family'] == 6, repr(static))
    require(not static['props']['avx2'], 'qemu64 has avx2')
    full = expand(vm, 'full', 'max')
    require(full['name'] == 'max' and full['props']['sse4-1'] and full['props']['migratable'], repr(full))
    require(set(static['props']) < set(full['props']), 'full expansion says less than the static one')
    # Without KVM `host` stands for what `max` has; management software makes its own choice from that.
    require(expand(vm, 'static', 'host')['props'] == expand(vm, 'static', 'max')['props'], 'host is not as max')
    require(expand(vm, 'full', 'host')['name'] == 'host', 'host has another name')
    for model, words in (({'name': 'host', 'props': {'hv-passthrough': True}}, 'hv-passthrough'),
                         ({'name': 'quantum'}, "'quantum' not found"),
                         ({'name': 'qemu64', 'props': {'warp': True}}, 'qemu64-x86_64-cpu.warp'),
                         ({'name': 'qemu64', 'props': {'sse2': 'on'}}, 'boolean'),
                         ({'name': 'qemu64', 'props': {'family': 10000}}, 'between'),
                         ({'name': 'qemu64', 'props': ['sse2']}, 'object')):
        kind, text = error_of(vm, 'query-cpu-model-expansion', type='static', model=model)
        require(kind == 'GenericError' and words in text, '%r: %s' % (model, text))
    vm.close()


@case
def static_expansion_is_the_model():
    for name in ('qemu64', 'max'):
        vm = machine()
        props = expand(vm, 'static', name)['props']
        vm.close()
        texts = ['%s=%s' % (k, ('off', 'on')[v] if isinstance(v, bool) else v) for k, v in props.items()]
        vm = Vm(['-S', '-cpu', 'base,' + ','.join(texts)])
        for prop, value in props.items():
            found = vm.qmp.command('qom-get', path=CPU0, property=prop)
            require(found == value, '%s: %s is %r, not %r' % (name, prop, found, value))
        require('support' not in vm.stderr_text(), 'it said: ' + vm.stderr_text())
        vm.close()


ferry.main()
