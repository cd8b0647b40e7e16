#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qapi-gen.py: what it makes of a small schema, and that a wrong one is refused by name."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).parents[2]
TOOL = str(TOP / 'scripts' / 'qapi-gen.py')
sys.dont_write_bytecode = True
sys.path.insert(0, str(TOP / 'scripts'))
from qapi import reference, schema  # noqa: E402  pylint: disable=wrong-import-position

SCHEMA = '''
# Kinds of shape.
{ 'enum': 'Kind', 'data': [ 'disc', 'box', { 'name': 'dot', 'features': [ 'unstable' ] } ] }
{ 'struct': 'Named', 'data': { 'name': 'str' } }
{ 'struct': 'Disc', 'data': { 'radius': 'uint8' } }
{ 'struct': 'Box', 'base': 'Named', 'data': { 'sides': [ 'int' ], '*next': 'Shape' } }
{ 'union': 'Shape', 'base': { 'kind': 'Kind', '*old': { 'type': 'bool', 'features': [ 'deprecated' ] } },
  'discriminator': 'kind', 'data': { 'disc': 'Disc', 'box': 'Box' } }
{ 'alternate': 'Ref', 'data': { 'id': 'str', 'shape': 'Shape', 'none': 'null', 'ids': [ 'str' ] } }
{ 'struct': 'Unused', 'data': { 'x': 'int' } }

# Draws a shape.
# @shape: what
#     is drawn
# @at, @size: where, and how large
{ 'command': 'draw', 'data': { 'shape': 'Ref', '*at': 'int', '*size': 'size' }, 'returns': [ 'Kind' ],
  'features': [ 'json-cli' ] }
# Takes what it likes, such as `*this*`, not what_that is.
# @kind: the kind
# @old: whether it was there before
{ 'command': 'free', 'data': 'Shape', 'gen': false }
# Takes a union.
# @kind, @old: the same
{ 'command': 'boxed', 'data': 'Shape', 'boxed': true }
# Does nothing.
{ 'command': 'plain' }
{ 'event': 'DRAWN', 'data': 'Shape', 'boxed': true }
'''


def generate(text):
    """(completed process, {file name: text})"""
    with tempfile.TemporaryDirectory() as folder:
        source, out = pathlib.Path(folder, 'x.json'), pathlib.Path(folder, 'out')
        source.write_text(text, encoding='utf-8')
        run = subprocess.run([sys.executable, TOOL, str(source), str(out)], capture_output=True, text=True, check=False)
        return run, {f.name: f.read_text(encoding='utf-8') for f in out.iterdir()} if out.exists() else {}


def introspection(files):
    """The entries by name, out of the C string."""
    rows = [line.strip().rstrip(';') for line in files['qapi-introspect.c'].split('\n') if line.startswith('    "')]
    return {e['name']: e for e in json.loads(''.join(json.loads(row) for row in rows))}


class Introspection(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run, files = generate(SCHEMA)
        assert run.returncode == 0, run.stderr
        cls.files, cls.found = files, introspection(files)

    def test_commands_and_events(self):
        self.assertEqual(self.found['draw'], {'name': 'draw', 'meta-type': 'command', 'features': ['json-cli'],
                                              'arg-type': 'q_obj_draw-arg', 'ret-type': '[Kind]'})
        self.assertEqual(self.found['q_obj_draw-arg']['members'],
                         [{'name': 'shape', 'type': 'Ref'}, {'name': 'at', 'type': 'int', 'default': None},
                          {'name': 'size', 'type': 'int', 'default': None}])
        self.assertEqual(self.found['DRAWN'], {'name': 'DRAWN', 'meta-type': 'event', 'arg-type': 'Shape'})
        self.assertEqual(self.found['free']['arg-type'], 'Shape')
        for name in 'arg-type', 'ret-type':
            self.assertEqual(self.found[self.found['plain'][name]]['members'], [])

    def test_types(self):
        self.assertEqual(self.found['Kind'], {
            'name': 'Kind', 'meta-type': 'enum', 'values': ['disc', 'box', 'dot'],
            'members': [{'name': 'disc'}, {'name': 'box'}, {'name': 'dot', 'features': ['unstable']}]})
        self.assertEqual(self.found['Ref'], {'name': 'Ref', 'meta-type': 'alternate', 'members': [
            {'type': t} for t in ('str', 'Shape', 'null', '[str]')]})
        shape = self.found['Shape']
        self.assertEqual(shape['tag'], 'kind')
        self.assertEqual([(v['case'], v['type']) for v in shape['variants']],
                         [('disc', 'Disc'), ('box', 'Box'), ('dot', 'q_empty')])
        self.assertEqual(shape['members'][1], {'name': 'old', 'type': 'bool', 'default': None, 'features': ['deprecated']})
        self.assertEqual([m['name'] for m in self.found['Box']['members']], ['name', 'sides', 'next'])
        self.assertEqual(self.found['str'], {'name': 'str', 'meta-type': 'builtin', 'json-type': 'string'})
        self.assertNotIn('Unused', self.found)

    def test_references_lead_somewhere(self):
        def references(e):
            if isinstance(e, list):
                for item in e:
                    yield from references(item)
            elif isinstance(e, dict):
                for key, value in e.items():
                    if key in ('type', 'arg-type', 'ret-type', 'element-type'):
                        yield value
                    yield from references(value)
        for name in references(list(self.found.values())):
            self.assertIn(name, self.found)

    def test_help_is_the_comment_without_its_members(self):
        self.assertIn('{ "draw", "Draws a shape.", false, dispatch_draw },', self.files['qapi-gen.c'])


class Reference(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run, files = generate(SCHEMA)
        assert run.returncode == 0, run.stderr
        cls.text = files['qmp-reference.rst']

    def test_entries(self):
        for line in ('draw (command)', 'DRAWN (event)', 'Shape (union)', 'Ref (alternate)', 'Draws a shape.',
                     '- ``shape`` (`Ref <qmp-type-Ref_>`_): what is drawn',
                     '- ``at`` (integer, optional): where, and how large', 'Returns: array of `Kind <qmp-type-Kind_>`_',
                     'Features: ``json-cli``', '- if ``kind`` is ``box``: also the members of `Box <qmp-type-Box_>`_',
                     '- ``old`` (boolean, optional, deprecated)', 'Takes what it likes, such as ``*this*``, not what\\_that is.',
                     'Arguments: the members of `Shape <qmp-type-Shape_>`_'):
            self.assertIn('\n' + line + '\n', self.text)

    def test_links_lead_somewhere(self):
        for name in re.findall(r'<([\w-]+)_>`_', self.text):
            self.assertIn('\n\n.. _%s:\n\n' % name, self.text)

    def test_the_schema_of_the_program(self):
        program = schema.Schema(str(TOP / 'qapi' / 'ferry.json'))
        text = reference.gen_reference(program)
        for kind, name in program.order:
            self.assertEqual(text.count('\n%s (%s)\n~~~' % (name, kind)), 1, name)


class Refused(unittest.TestCase):
    def test_by_name(self):
        for text, word in (
                ("{ 'command': 'x', 'data': { 'a': 'nosuch' } }", "'nosuch'"),
                ("{ 'command': 'x', 'data': 'nosuch' }", "'nosuch'"),
                ("{ 'command': 'x', 'dta': {} }", "'dta'"),
                ("# Does.\n{ 'command': 'x' }\n{ 'command': 'x' }", "'x' is defined a second time"),
                ("{ 'struct': 'int', 'data': {} }", "'int' is defined"),
                ("{ 'struct': 'A', 'base': 'A', 'data': {} }", "base 'A'"),
                ("{ 'struct': 'A', 'base': 'B', 'data': {} }\n{ 'struct': 'B', 'base': 'A', 'data': {} }", 'base'),
                ("{ 'enum': 'E', 'data': [ 'a' ] }\n{ 'struct': 'S', 'data': {} }\n"
                 "{ 'union': 'U', 'base': { 'k': 'E' }, 'discriminator': 'j', 'data': { 'a': 'S' } }", "'j'"),
                ("{ 'enum': 'E', 'data': [ 'a' ] }\n{ 'struct': 'S', 'data': {} }\n"
                 "{ 'union': 'U', 'base': { 'k': 'E' }, 'discriminator': 'k', 'data': { 'b': 'S' } }", "'b'"),
                ("{ 'alternate': 'A', 'data': { 'x': 'str', 'y': 'str' } }", "'y'"),
                ("{ 'alternate': 'A', 'data': { 'x': 'int', 'y': 'number' } }", "'y'"),
                ("{ 'command': 'x' }", "'x': a comment above it must say"),
                ("# Does.\n{ 'command': 'x', 'data': { 'a': 'int' } }", '"# @a: what it is"'),
                ("# Does.\n# @b: not there\n{ 'command': 'x' }", '@b is none'),
                ("# @b: not there\n{ 'struct': 'X', 'data': { 'a': 'int' } }", '@b is none'),
                ("# @b: not there\n{ 'enum': 'X', 'data': [ 'a' ] }", '@b is none'),
                ("{ 'banana': 'x' }", 'banana'), ("{ 'command': 'x'", 'without end'), ("]", 'unbalanced')):
            with self.assertRaises(schema.SchemaError, msg=text) as caught:
                with tempfile.TemporaryDirectory() as folder:
                    source = pathlib.Path(folder, 'x.json')
                    source.write_text(text, encoding='utf-8')
                    schema.Schema(str(source))
            self.assertIn(word, str(caught.exception))

    def test_by_the_program(self):
        run, files = generate("{ 'banana': 'x' }")
        self.assertEqual((run.returncode, files), (1, {}))
        self.assertTrue(run.stderr.startswith('qapi-gen: ') and 'banana' in run.stderr, run.stderr)


if __name__ == '__main__':
    unittest.main()
