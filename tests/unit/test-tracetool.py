#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""tracetool.py: what it makes of good lines, and that a bad line is refused by file and line number."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = str(pathlib.Path(__file__).parents[2] / 'scripts' / 'tracetool.py')


class TraceTool(unittest.TestCase):
    def run_tool(self, text, kind='--header'):
        with tempfile.TemporaryDirectory() as folder:
            source, output = pathlib.Path(folder, 'trace-events'), pathlib.Path(folder, 'out')
            source.write_text(text, encoding='utf-8')
            run = subprocess.run([sys.executable, TOOL, kind, '--folder', 'hw_x', '--output', output, source],
                                 capture_output=True, text=True, check=False)
            return run, output.read_text(encoding='utf-8') if run.returncode == 0 else ''

    def test_header(self):
        _, text = self.run_tool('# comment\n\na_b(const char *dev, uint64_t n) "dev %s n %" PRIu64\nnothing(void) "x"\n')
        self.assertIn('static inline void trace_a_b(const char *dev, uint64_t n)', text)
        self.assertIn('__atomic_load_n(&trace_state_a_b, __ATOMIC_RELAXED)', text)
        self.assertIn('static inline void trace_nothing(void)', text)

    def test_source(self):
        _, text = self.run_tool('a_b(const char* dev, int n) "dev %s n %d"\n', '--source')
        self.assertIn('log_printf(LOG_TRACE, "a_b " "dev %s n %d" "\\n", dev, n);', text)
        self.assertIn('{ "a_b", &trace_state_a_b },', text)

    def test_refused(self):
        for line, says in [('a_b(int n)', 'not `name'), ('a_b(struct foo *p) "x"', "'struct foo *'"),
                           ('a_b(int) "x"', "'int'"), ('A(int n) "x"', 'not `name'), ('good(void) "x"', 'twice')]:
            run, _ = self.run_tool(f'good(void) "x"\n{line}\n')
            self.assertNotEqual(run.returncode, 0, line)
            self.assertIn('trace-events:2: ', run.stderr)
            self.assertIn(says, run.stderr)


if __name__ == '__main__':
    unittest.main()
