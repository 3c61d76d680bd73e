# SPDX-License-Identifier: Apache-2.0
"""A host's side of the agent protocol, small and slow, written apart from volt's own: what
both it and the supervisor accept is the protocol of guest-init/agent-protocol.h."""

import os
import select
import socket
import struct
import subprocess
import time

HELLO, DATA, EOF, CREDIT = 1, 2, 3, 4
CONFIG, EXEC, SIGNAL, RESIZE, CLOCK, STATS, RESEED, SHUTDOWN = range(16, 24)
STARTED, FAILED, EXITED, REPLY, LOG, TIMING = range(48, 54)

TAGS = {}
for first, names in (
    (1, "version kernel memory bytes number nanoseconds entropy pid code signal oom level text phase"),
    (32, "hostname hosts dns search root upper mount link process"),
    (48, "type source options target subpath read_only"),
    (56, "mac address gateway mtu"),
    (64, "arg env cwd user tty stdin rows columns"),
    (80, "cpu memory_used disk_read disk_written net_received net_sent processes"),
):
    for i, name in enumerate(names.split()):
        TAGS[name] = first + i
NAMES = {v: k for k, v in TAGS.items()}
TEXTS = ("kernel", "text", "phase")


def record(name, value):
    if isinstance(value, list):
        return b"".join(record(name, v) for v in value)
    if isinstance(value, dict):
        data = records(value)
    elif value is True:
        data = b""
    elif isinstance(value, int):
        data = struct.pack("<q", value)
    else:
        data = value.encode() if isinstance(value, str) else value
    return struct.pack("<HHI", TAGS[name], 0, len(data)) + data


def records(fields):
    return b"".join(record(k, v) for k, v in fields.items() if v is not None and v is not False)


def parse(payload):
    out = []
    while payload:
        tag, zero, size = struct.unpack_from("<HHI", payload)
        assert zero == 0 and size <= len(payload) - 8
        data = payload[8 : 8 + size]
        name = NAMES[tag]
        if name in TEXTS:
            data = data.decode()
        elif size == 8:
            data = struct.unpack("<q", data)[0]
        elif size == 0:
            data = True
        out.append((name, data))
        payload = payload[8 + size :]
    return out


def cpio(entries):
    """A newc archive: (path, mode, data)."""
    out = b""
    for i, (path, mode, data) in enumerate(entries + [("TRAILER!!!", 0, b"")]):
        name = path.encode() + b"\0"
        fields = (i + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        out += b"070701" + b"".join(b"%08X" % f for f in fields) + name
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return out


def tsc_khz():
    """An emulated PC sees this host's counter; a microvm cannot find out its rate."""
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("cpu MHz"):
                return int(float(line.split(":")[1]) * 1000)
    return 1000000


class Ended(Exception):
    pass


class Process:
    def __init__(self):
        self.out = {1: bytearray(), 2: bytearray()}
        self.count = {1: 0, 2: 0}
        self.eof = set()
        self.pid = self.end = self.failed = None
        self.window = 262144
        self.keep = True
        self.credits = True
        self.owed = {1: 0, 2: 0}


class Guest:
    """A virtual machine whose init is spoken to directly."""

    def __init__(self, kernel, initrd, disks, machine="microvm", append="", devices=(), memory=192, cpu="max"):
        ours, theirs = socket.socketpair()
        self.sock = ours
        self.console = b""
        self.buffer = b""
        self.processes = {}
        self.logs, self.timing, self.replies = [], {}, {}
        self.hello = None
        bus = "device" if machine.startswith("microvm") else "pci"
        args = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", cpu, "-m", str(memory)]
        args += ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]
        if machine == "microvm":
            append += " pci=off initcall_blacklist=cmos_init"
            machine = "microvm,acpi=off,rtc=on,isa-serial=on"
        args += ["-M", machine]
        args += ["-kernel", kernel, "-initrd", initrd]
        args += ["-append", "console=ttyS0 reboot=t panic=-1 noreplace-smp lapic_khz=1000000 tsc_early_khz=%d %s" % (tsc_khz(), append)]
        args += ["-serial", "stdio"]
        args += ["-chardev", "socket,id=agent,fd=%d" % theirs.fileno()]
        args += ["-device", "virtio-serial-" + bus]
        args += ["-device", "virtserialport,chardev=agent,name=org.volt.agent"]
        args += ["-object", "rng-random,id=rng,filename=/dev/urandom"]
        args += ["-device", "virtio-rng-%s,rng=rng" % bus]
        for serial, path, read_only in disks:
            on = "on" if read_only else "off"
            args += ["-blockdev", "driver=raw,node-name=%s,read-only=%s,file.driver=file,file.filename=%s" % (serial, on, path)]
            args += ["-device", "virtio-blk-%s,drive=%s,serial=%s" % (bus, serial, serial)]
        for d in devices:
            args += [a.replace("BUS", bus) for a in d]
        self.start = time.monotonic()
        self.qemu = subprocess.Popen(
            args, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        theirs.close()
        os.set_blocking(self.qemu.stdout.fileno(), False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.qemu.poll() is None:
            self.qemu.kill()
        self.qemu.wait()
        self.read_console()
        self.qemu.stdout.close()
        self.sock.close()

    def read_console(self):
        try:
            while True:
                data = os.read(self.qemu.stdout.fileno(), 65536)
                if not data:
                    return False
                self.console += data
        except BlockingIOError:
            return True

    def send(self, type_, process=0, payload=b"", stream=0):
        self.sock.sendall(struct.pack("<IHHI", len(payload), type_, stream, process) + payload)

    def send_long(self, type_, process, payload):
        while len(payload) > 65536:
            self.send(type_, process, payload[:65536], 1)
            payload = payload[65536:]
        self.send(type_, process, payload)

    def credit(self, process, stream, size):
        self.send(CREDIT, process, records({"bytes": size}), stream)

    def process(self, number):
        return self.processes.setdefault(number, Process())

    def take_data(self, number, stream, payload):
        p = self.process(number)
        assert p.end is None and stream not in p.eof and payload
        p.count[stream] += len(payload)
        p.owed[stream] += len(payload)
        assert p.owed[stream] <= 262144, "more than the window"
        if p.keep:
            p.out[stream] += payload
        if p.credits and p.owed[stream] >= 65536:
            self.credit(number, stream, p.owed[stream])
            p.owed[stream] = 0

    def take(self, type_, stream, number, payload):
        if type_ == DATA:
            return self.take_data(number, stream, payload)
        fields = parse(payload)
        d = dict(fields)
        p = self.process(number)
        if type_ == HELLO:
            assert self.hello is None
            self.hello = d
            self.hello_time = time.monotonic() - self.start
        elif type_ == EOF:
            p.eof.add(stream)
        elif type_ == CREDIT:
            p.window += d["bytes"]
        elif type_ == STARTED:
            p.pid = d["pid"]
        elif type_ == FAILED:
            p.failed = (d["code"], d["text"])
        elif type_ == EXITED:
            assert p.pid and 1 in p.eof
            p.end = d
        elif type_ == LOG:
            self.logs.append(d["text"])
        elif type_ == TIMING:
            for (_, phase), (_, at) in zip(fields[::2], fields[1::2]):
                self.timing[phase] = at / 1e6
        elif type_ == REPLY:
            self.replies[number] = d
        else:
            raise AssertionError("message %d" % type_)

    def step(self, until):
        fds = [self.sock, self.qemu.stdout]
        ready, _, _ = select.select(fds, [], [], max(0, until - time.monotonic()))
        if not ready:
            raise TimeoutError("console: " + self.console.decode(errors="replace")[-2000:])
        if self.qemu.stdout in ready:
            self.read_console()
        if self.sock not in ready:
            return
        data = self.sock.recv(262144)
        if not data:
            raise Ended()
        self.buffer += data
        while len(self.buffer) >= 12:
            size, type_, stream, number = struct.unpack_from("<IHHI", self.buffer)
            assert size <= 65536
            if len(self.buffer) < 12 + size:
                break
            payload = self.buffer[12 : 12 + size]
            self.buffer = self.buffer[12 + size :]
            self.take(type_, stream, number, payload)

    def until(self, condition, seconds=120):
        end = time.monotonic() + seconds
        while not condition():
            self.step(end)

    def greet(self):
        self.until(lambda: self.hello)
        self.send(HELLO, 0, records({"version": 1}))

    def configure(self, config):
        self.send_long(CONFIG, 0, records(config))

    def begin(self, config):
        self.greet()
        self.configure(config)

    def exec(self, number, fields):
        self.send_long(EXEC, number, records(fields))

    def ended(self, number=0):
        p = self.process(number)
        return p.end is not None or p.failed is not None

    def wait(self, number=0, seconds=120):
        self.until(lambda: self.ended(number), seconds)
        return self.process(number)

    def shutdown(self, seconds=60):
        """Sends SHUTDOWN and returns QEMU's exit status."""
        self.send(SHUTDOWN)
        try:
            self.until(lambda: False, seconds)
        except Ended:
            pass
        except ConnectionError:
            pass
        return self.qemu.wait(seconds)

    def off(self, seconds=60):
        """Waits for the guest to end by itself."""
        try:
            self.until(lambda: False, seconds)
        except (Ended, ConnectionError):
            pass
        return self.qemu.wait(seconds)
