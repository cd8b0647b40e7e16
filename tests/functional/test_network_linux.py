#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian guest on the network: user-mode networking both ways, links, filters, and connections through migrations."""
import hashlib
import http.server
import os
import socket
import threading
import time

import ferry
from ferry import require
from linux import Linux, check_data

UDHCPC = r'''cat >/tmp/dhcp <<'X'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev $interface
ip route add default via $router
echo nameserver $dns >/etc/resolv.conf
echo "LEASE $ip $router $dns $hostname"
X
chmod +x /tmp/dhcp; mkdir -p /etc'''


def by_dhcp(vm):
    """Configures eth0 from the network's own DHCP server; what it gave."""
    vm.shell(UDHCPC)
    vm.shell('ip link set lo up; ip link set eth0 up')
    return vm.shell('udhcpc -i eth0 -n -q -s /tmp/dhcp 2>&1')


class Server:
    """An HTTP server of one body."""

    def __init__(self, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


@ferry.case
def dhcp_and_fetch():
    """The guest gets an address by DHCP and a file from a server on the host; device and network by one option."""
    body = os.urandom(3 << 20)
    server = Server(body)
    vm = Linux(args=['-nic', 'user,model=virtio,hostname=ferryman']).boot()
    lease = by_dhcp(vm)
    require('LEASE 10.0.2.15 10.0.2.2 10.0.2.3 ferryman' in lease, lease)
    digest = vm.shell('wget -q -O - http://10.0.2.2:%d/ | md5sum' % server.port)
    require(hashlib.md5(body).hexdigest() in digest, digest)
    check_data(vm)


@ferry.case
def forward_into_guest():
    """hostfwd leads into the guest, with the rule in JSON."""
    port = free_port()
    netdev = '{"type":"user","id":"n0","net":"192.168.77.0/24","dhcpstart":"192.168.77.9",' \
             '"hostfwd":[{"str":"tcp:127.0.0.1:%d-:99"}]}' % port
    vm = Linux(args=['-netdev', netdev, '-device',
                     '{"driver":"virtio-net-pci","netdev":"n0","mac":"52:54:00:aa:bb:cc"}']).boot()
    lease = by_dhcp(vm)
    require('LEASE 192.168.77.9 192.168.77.2' in lease, lease)
    require('52:54:00:aa:bb:cc' in vm.shell('cat /sys/class/net/eth0/address'), 'address')
    vm.shell('{ while :; do echo "from the guest" | nc -l -p 99; done >/dev/null 2>&1 & }')
    end = time.time() + 20 * ferry.PATIENCE
    answer = b''
    while b'from the guest' not in answer:
        require(time.time() < end, 'no answer from the guest: %r' % answer)
        with socket.create_connection(('127.0.0.1', port), timeout=5) as s:
            s.settimeout(5)
            try:
                answer = s.recv(100)
            except OSError:
                answer = b''
    check_data(vm)


if __name__ == '__main__':
    ferry.main()
