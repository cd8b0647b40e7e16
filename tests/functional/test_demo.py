# SPDX-License-Identifier: GPL-2.0-or-later
"""`make demo` on a small guest: it runs to its table, which tells what was left out, and leaves its files."""
import csv
import os
import re
import subprocess
import sys
import tempfile

import ferry
from ferry import case, require


@case
def runs_to_its_table():
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run([sys.executable, os.path.join(ferry.TOP, 'scripts', 'demo'), '--qemu', ferry.BINARY,
                               '--memory', '768', '--out', out], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=240 * ferry.PATIENCE, check=False)
        require(done.returncode == 0, done.stdout[-2000:])
        require(len(re.findall(r'transferred RAM \(kB\) +\d+ +\d+', done.stdout)) == 2 and
                len(re.findall(r'not sent \(pages\): never-populated \d+', done.stdout)) == 2, done.stdout[-2000:])
        with open(os.path.join(out, 'demo-results.csv'), encoding='ascii') as f:
            rows = list(csv.DictReader(f))
        require(len(rows) == 4 and all(int(row['total_ms']) > 0 for row in rows), str(rows))
        freed = {row['hints']: row for row in rows if row['case'] == 'freed'}
        require(int(freed['on']['transferred_bytes']) < int(freed['off']['transferred_bytes']) / 2, str(freed))
        require(int(freed['on']['hinted']) + int(freed['on']['hinted-zero']) > 0, str(freed))
        require(os.path.getsize(os.path.join(out, 'demo.svg')) > 1000, 'no chart')


ferry.main()
