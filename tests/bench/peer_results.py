# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs of both sides, the ratios within their pairs, and the table and files that come of them."""
import csv
import json
import os
import statistics
import sys

import ferry
from peer_options import args

RUNS = []  # one dict per run


def run_once(name, side, pair, function):
    """The record of one run; a failure is recorded as such."""
    record = {'experiment': name, 'side': side, 'pair': pair}
    try:
        record.update(function(side))
    except (ferry.Failure, OSError, EOFError) as e:
        record['failed'] = str(e)[:300]
    finally:
        while ferry.VMS:
            ferry.VMS.pop().close()
    record['load'] = os.getloadavg()[0]
    return record


def keep(record, program):
    """Into the table, the program's JSON lines, and onto the screen."""
    RUNS.append(record)
    with open(os.path.join(args.out, program + '.jsonl'), 'a', encoding='utf-8') as f:
        f.write(json.dumps(record) + '\n')
    figures = ['%s %.4g' % (k, v) for k, v in record.items() if isinstance(v, float) or k.endswith('_ms')]
    print('  %-5s %s' % (record['side'], '  '.join(figures + [record[k] for k in ('failed',) if k in record])), flush=True)


def runs_of(name, side):
    return [r for r in RUNS if r['experiment'] == name and r['side'] == side]


def metrics_of(name):
    skip = ('experiment', 'side', 'pair', 'load', 'failed')
    return list(dict.fromkeys(k for r in RUNS if r['experiment'] == name for k in r if k not in skip))


def pair_ratios(name, metric, side='peer'):
    peers = {r['pair']: r[metric] for r in runs_of(name, side) if metric in r}
    return [r[metric] / peers[r['pair']] for r in runs_of(name, 'ferry') if metric in r and peers.get(r['pair'])]


def summarize(name, metric, aims, sides=('ferry', 'peer')):
    """Ferry against the other of the sides."""
    values = {side: [r[metric] for r in runs_of(name, side) if metric in r] for side in sides}
    ratios = pair_ratios(name, metric, sides[1])
    row = {'experiment': name, 'metric': metric, 'pairs': len(ratios)}
    for column, side in zip(('ferry', 'peer'), sides):
        row[column] = statistics.median(values[side]) if values[side] else None
        row[column + '_failed'] = sum('failed' in r for r in runs_of(name, side))
    row['ratio'] = statistics.median(ratios) if ratios else None
    row['least'], row['most'] = (min(ratios), max(ratios)) if ratios else (None, None)
    kind, bound = aims.get(metric, (None, None))
    got = row['ratio'] if kind == 'ratio' else row['ferry']
    row['aim'] = '' if bound is None else ('%s<=%g ' % ('x' if kind == 'ratio' else '', bound) +
                                           ('?' if got is None else 'met' if got <= bound else 'MISSED'))
    return row


def number(value):
    return '-' if value is None else '%.4g' % value


def print_table(rows):
    print('\n%-34s %-15s %9s %9s %7s %16s %5s %7s  %s' %
          ('experiment', 'metric', 'ferry', 'peer', 'ratio', 'spread', 'pairs', 'failed', 'aim'))
    for r in rows:
        spread = '%s..%s' % (number(r['least']), number(r['most'])) if r['ratio'] is not None else ''
        print('%-34s %-15s %9s %9s %7s %16s %5d %3d/%-3d  %s' %
              (r['experiment'], r['metric'], number(r['ferry']), number(r['peer']), number(r['ratio']), spread, r['pairs'],
               r['ferry_failed'], r['peer_failed'], r['aim']))


def write_csv(rows, program):
    if not rows:
        sys.exit(program + ': no run came to an end')
    with open(os.path.join(args.out, program + '.csv'), 'w', newline='', encoding='utf-8') as f:
        out = csv.DictWriter(f, fieldnames=list(rows[0]))
        out.writeheader()
        out.writerows(rows)
