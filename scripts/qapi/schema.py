# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the QMP schema (qapi/*.json), a subset of QEMU's schema language, and checks it.

Expressions: enum, struct (base), union (base, discriminator, data), alternate, command (data, boxed, returns, gen,
features, allow-preconfig), event (data, boxed, features, rate-limit), include. A member's value is a type's name, a list
of one, or { 'type': ..., 'features': [...] }; its name begins with * if it is optional. Comments directly above an
expression are its documentation, `@member: text` in them that of a member.
"""
import os
import re

# schema name: (C type, smallest, largest); what takes all 64 bits has no limits to check
INTEGERS = {
    'int': ('int64_t', 'INT64_MIN', 'INT64_MAX'), 'int8': ('int8_t', 'INT8_MIN', 'INT8_MAX'),
    'int16': ('int16_t', 'INT16_MIN', 'INT16_MAX'), 'int32': ('int32_t', 'INT32_MIN', 'INT32_MAX'),
    'int64': ('int64_t', 'INT64_MIN', 'INT64_MAX'), 'uint8': ('uint8_t', '0', 'UINT8_MAX'),
    'uint16': ('uint16_t', '0', 'UINT16_MAX'), 'uint32': ('uint32_t', '0', 'UINT32_MAX'),
    'uint64': ('uint64_t',), 'size': ('uint64_t',),
}
SCALARS = {'bool': 'bool', 'null': 'bool', 'number': 'double', **{k: v[0] for k, v in INTEGERS.items()}}
BUILTINS = (*SCALARS, 'str', 'any')
# what an expression may have besides its own name
KEYS = {
    'enum': {'data', 'features'}, 'struct': {'data', 'base', 'features'},
    'union': {'data', 'base', 'discriminator', 'features'}, 'alternate': {'data', 'features'},
    'command': {'data', 'boxed', 'returns', 'gen', 'features', 'allow-preconfig'},
    'event': {'data', 'boxed', 'features', 'rate-limit'},
}


class SchemaError(Exception):
    pass


RESERVED = {'inline', 'default', 'register', 'static', 'enum', 'struct', 'union', 'int', 'long', 'short', 'char', 'bool',
            'void', 'if', 'else', 'for', 'while', 'do', 'switch', 'case', 'return', 'unix', 'linux', 'signed', 'unsigned',
            'float', 'double', 'const', 'volatile', 'auto', 'extern', 'typedef', 'break', 'continue', 'goto', 'sizeof',
            'restrict', 'errno'}


def c_name(name):
    word = re.sub(r'[^A-Za-z0-9]', '_', name)
    return 'q_' + word if word in RESERVED or word[0].isdigit() else word


def upper_snake(name):
    """RunState -> RUN_STATE, IOThreadInfo -> IO_THREAD_INFO"""
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    name = re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', name)
    return re.sub(r'[^A-Za-z0-9]', '_', name).upper()


def expressions(text, path):
    """Yields (comment lines, expression) for each top-level expression."""
    doc, body, depth = [], '', 0
    for number, line in enumerate(text.split('\n'), 1):
        if depth == 0 and line.startswith('#'):
            doc.append(line.lstrip('#').strip())
            continue
        if depth == 0 and not line.strip():
            doc = []
            continue
        body += line + '\n'
        depth += len(re.findall(r'[{\[]', line)) - len(re.findall(r'[}\]]', line))
        if depth < 0:
            raise SchemaError('%s:%d: unbalanced brackets' % (path, number))
        if depth == 0:
            try:
                yield doc, eval(body, {'__builtins__': {}}, {'true': True, 'false': False})
            except Exception as e:
                raise SchemaError('%s:%d: %s' % (path, number, e)) from e
            doc, body = [], ''
    if body.strip():
        raise SchemaError('%s: expression without end' % path)


class Doc:
    """An expression's documentation: `text`, and by member. Several members may share a line: `@a, @b: text`."""

    def __init__(self, lines):
        text, self.members, target = [], {}, None
        for line in lines:
            start = re.match(r'(@[\w-]+(?:, @[\w-]+)*): *(.*)', line)
            if start:
                target = []
                self.members.update((name.lstrip('@'), target) for name in start[1].split(', '))
                line = start[2]
            (text if target is None else target).append(line)
        self.text = ' '.join(text).strip()
        self.members = {name: ' '.join(lines).strip() for name, lines in self.members.items()}


class Member:
    def __init__(self, key, value):
        self.optional = key.startswith('*')
        self.name = key.lstrip('*')
        self.c = c_name(self.name)
        self.kind = value['type'] if isinstance(value, dict) else value
        self.features = value.get('features', []) if isinstance(value, dict) else []


class Schema:
    def __init__(self, path):
        self.enums, self.structs, self.unions, self.alternates = {}, {}, {}, {}
        self.commands, self.events, self.order, self.files, self.headers = {}, {}, [], [], {}
        self.tables = {'enum': self.enums, 'struct': self.structs, 'union': self.unions,
                       'alternate': self.alternates, 'command': self.commands, 'event': self.events}
        self.read(path)
        self.check()

    def read(self, path):
        self.files.append(path)
        with open(path, encoding='utf-8') as f:
            text = f.read()
        head = re.match(r'((?:#.*\n)*)', text)[1].split('\n')
        self.headers[path] = ' '.join(line.lstrip('# ') for line in head if 'SPDX' not in line).strip()
        for doc, e in expressions(text, path):
            if 'include' in e:
                self.read(os.path.join(os.path.dirname(path), e['include']))
                continue
            kind = next((k for k in self.tables if k in e), None)
            if kind is None:
                raise SchemaError('%s: unknown kind of expression: %r' % (path, e))
            name, unknown = e[kind], set(e) - KEYS[kind] - {kind}
            if unknown:
                raise SchemaError("%s: %s '%s' has unknown '%s'" % (path, kind, name, sorted(unknown)[0]))
            if name in BUILTINS or any(name in table for table in self.tables.values()):
                raise SchemaError("%s: %s '%s' is defined a second time" % (path, kind, name))
            self.tables[kind][name] = dict(e, doc=doc, docs=Doc(doc), file=path)
            self.order.append((kind, name))

    def check(self):
        for name, e in self.structs.items():
            self.check_base(name, e)
        for name, e in self.unions.items():
            self.check_union(name, e)
        for kind, name in self.order:
            e = self.tables[kind][name]
            data = e.get('data') if kind in ('command', 'event') else None
            if isinstance(data, str):
                self.check_arguments(name, e, data)
            for m in [] if kind == 'enum' else self.members_of(kind, name):
                self.check_type(m.kind, '%s.%s' % (name, m.name))
            self.check_type(e.get('returns', 'any'), name)
            self.check_docs(kind, name, e)
        for name in self.alternates:
            self.check_alternate(name)

    def check_docs(self, kind, name, e):
        """A command says what it does, and what its arguments are; no comment is of a member that is not there."""
        members = self.values(name) if kind == 'enum' else [m.name for m in self.members_of(kind, name)]
        known, where = set(e['docs'].members), '%s: %s %r' % (e['file'], kind, name)
        data = e.get('data')
        if isinstance(data, str):
            known |= set((self.structs.get(data) or self.unions[data])['docs'].members)
        if not known <= set(members) and (not isinstance(data, str) or data not in self.unions) and kind != 'union':
            raise SchemaError("%s: @%s is none of its members" % (where, sorted(known - set(members))[0]))
        if kind != 'command':
            return
        if not e['docs'].text:
            raise SchemaError('%s: a comment above it must say what it does' % where)
        for m in members:
            if m not in known:
                raise SchemaError('%s: its member has no documentation; write "# @%s: what it is" above it' % (where, m))

    def check_arguments(self, name, e, data):
        if data not in self.structs and data not in self.unions:
            raise SchemaError("%s: 'data' is unknown type '%s'" % (name, data))
        if data in self.unions and e.get('gen', True) and not e.get('boxed'):
            raise SchemaError("%s: 'data' is a union, which needs 'boxed'" % name)

    def check_base(self, name, e):
        seen = {name}
        while isinstance(e.get('base'), str):
            if e['base'] in seen or e['base'] not in self.structs:
                raise SchemaError("%s: base '%s' is not another struct" % (name, e['base']))
            seen.add(e['base'])
            e = self.structs[e['base']]

    def check_union(self, name, e):
        self.check_base(name, e)
        tag = next((m for m in self.base_members(e) if m.name == e.get('discriminator')), None)
        if tag is None or tag.optional or tag.kind not in self.enums:
            raise SchemaError("%s: discriminator '%s' is no mandatory enum member of its base" %
                              (name, e.get('discriminator')))
        values = self.values(tag.kind)
        for case, kind in self.cases(name):
            if case not in values or kind not in self.structs:
                raise SchemaError("%s: case '%s' is not a value of '%s', or '%s' no struct" %
                                  (name, case, tag.kind, kind))

    JSON_TYPES = {'str': 'string', 'bool': 'bool', 'null': 'null', 'number': 'number', **dict.fromkeys(INTEGERS, 'number')}

    def json_type(self, kind):
        if isinstance(kind, list):
            return 'array'
        return 'string' if kind in self.enums else self.JSON_TYPES.get(kind, 'object')

    def check_alternate(self, name):
        seen = set()
        for m in self.members_of('alternate', name):
            json = self.json_type(m.kind)
            if json in seen or (json != 'array' and (m.kind in self.alternates or m.kind == 'any')):
                raise SchemaError("%s: '%s' cannot be told from the others" % (name, m.name))
            seen.add(json)

    def base_members(self, e):
        """What an expression has from its base, all the way down."""
        base = e.get('base')
        return self.members(base)

    def members(self, data):
        """A struct's (by name) or of inline data, those of the base first. A union's: of its base only."""
        if isinstance(data, str):
            e = self.structs.get(data) or self.unions[data]
            own = e['data'] if data in self.structs else None
            return self.base_members(e) + self.members(own)
        return [Member(k, v) for k, v in (data or {}).items()]

    def members_of(self, kind, name):
        e = self.tables[kind][name]
        return self.members(name) if kind in ('struct', 'union') else self.members(e.get('data'))

    def values(self, enum):
        return [v['name'] if isinstance(v, dict) else v for v in self.enums[enum]['data']]

    def cases(self, union):
        """(value of the discriminator, struct) of a union's branches that add members."""
        return [(m.name, m.kind) for m in self.members(self.unions[union]['data'])]

    def tag(self, union):
        e = self.unions[union]
        return next(m for m in self.base_members(e) if m.name == e['discriminator'])

    def check_type(self, kind, where):
        if isinstance(kind, list):
            if len(kind) != 1 or isinstance(kind[0], list):
                raise SchemaError('%s: %r is no list of one type' % (where, kind))
            self.check_type(kind[0], where)
        elif kind not in BUILTINS and kind not in self.enums and not self.is_boxed(kind):
            raise SchemaError('%s: unknown type %r' % (where, kind))

    def is_scalar(self, kind):
        return not isinstance(kind, list) and (kind in SCALARS or kind in self.enums)

    def is_boxed(self, kind):
        """A C struct of its own, handled by pointer."""
        return not isinstance(kind, list) and (
            kind in self.structs or kind in self.unions or kind in self.alternates)

    def suffix(self, kind):
        return 'list_of_' + self.suffix(kind[0]) if isinstance(kind, list) else kind

    def list_kinds(self):
        found = {}
        for kind, name in self.order:
            e = self.tables[kind][name]
            for k in [m.kind for m in ([] if kind == 'enum' else self.members_of(kind, name))] + [e.get('returns')]:
                if isinstance(k, list):
                    found[self.suffix(k)] = k
        return found
