# SPDX-License-Identifier: GPL-2.0-or-later
"""query-qmp-schema's answer: commands, events and the types that they use, in QEMU's introspection format.

Types keep their names (QEMU numbers them), so that they stay the same as the schema grows; clients are to look at commands
and events only, and to follow the references from there.
"""
import json

from .ctypes import BANNER, c_string
from .schema import INTEGERS

JSON_TYPES = {'str': 'string', 'bool': 'boolean', 'number': 'number', 'null': 'null', 'any': 'value', 'int': 'int'}
EMPTY = 'q_empty' # the object without members


class Introspection:
    def __init__(self, schema):
        self.schema, self.entries = schema, {}
        for kind, name in schema.order:
            if kind in ('command', 'event'):
                self.add(name, kind, schema.tables[kind][name], getattr(self, kind))

    def add(self, name, meta, expression, fill):
        """The name goes in first: types may refer to themselves."""
        if name not in self.entries:
            entry = self.entries[name] = {'name': name, 'meta-type': meta}
            if expression.get('features'):
                entry['features'] = [f['name'] if isinstance(f, dict) else f for f in expression['features']]
            entry.update(fill(name, expression))
        return name

    def command(self, name, e):
        return {'arg-type': self.arguments(name, e), 'ret-type': self.type(e['returns']) if 'returns' in e else self.empty()}

    def event(self, name, e):
        return {'arg-type': self.arguments(name, e)}

    def arguments(self, name, e):
        data = e.get('data')
        if isinstance(data, str):
            return self.type(data)
        return self.object('q_obj_%s-arg' % name, {'data': data}) if data else self.empty()

    def empty(self):
        return self.object(EMPTY, {'data': {}})

    def object(self, name, e):
        members = self.schema.base_members(e) + self.schema.members(e['data'])
        return self.add(name, 'object', e, lambda *_: {'members': [self.member(m) for m in members]})

    def member(self, m):
        entry = {'name': m.name, 'type': self.type(m.kind)}
        if m.optional:
            entry['default'] = None
        return dict(entry, features=m.features) if m.features else entry

    def union(self, name, e):
        tag, cases = self.schema.tag(name), dict(self.schema.cases(name))
        variants = [{'case': v, 'type': self.type(cases[v]) if v in cases else self.empty()}
                    for v in self.schema.values(tag.kind)]
        return {'members': [self.member(m) for m in self.schema.base_members(e)], 'tag': tag.name, 'variants': variants}

    def alternate(self, name, e):
        return {'members': [{'type': self.type(m.kind)} for m in self.schema.members(e['data'])]}

    def enum(self, name, e):
        members = [{'name': v} if isinstance(v, str) else {k: v[k] for k in ('name', 'features') if k in v}
                   for v in e['data']]
        return {'members': members, 'values': [m['name'] for m in members]}

    def type(self, kind):
        s = self.schema
        if isinstance(kind, list):
            element = self.type(kind[0])
            return self.add('[%s]' % element, 'array', {}, lambda *_: {'element-type': element})
        for meta, table in (('enum', s.enums), ('union', s.unions), ('alternate', s.alternates)):
            if kind in table:
                return self.add(kind, 'object' if meta == 'union' else meta, table[kind], getattr(self, meta))
        if kind in s.structs:
            return self.object(kind, s.structs[kind])
        kind = 'int' if kind in INTEGERS else kind
        return self.add(kind, 'builtin', {}, lambda *_: {'json-type': JSON_TYPES[kind]})


def gen_introspection_c(s):
    rows = [json.dumps(entry) for entry in Introspection(s).entries.values()]
    text = '\n'.join('    %s' % c_string(row + ',') for row in rows[:-1]) + '\n    %s' % c_string(rows[-1])
    return BANNER + '#include "qapi/qapi-commands.h"\n\nconst char qapi_introspection[] =\n    "["\n%s\n    "]";\n' % text
