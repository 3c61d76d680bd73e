#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What volt's init does, seen from the host's end of the agent channel. Real machines,
under emulation: init-rules.py KERNEL INIT-OR-INITRAMFS ABILITIES DIRECTORY"""

import hashlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

from guest import (CONFIG, DATA, EOF, EXEC, HELLO, RESIZE, RESEED, CLOCK, SIGNAL, STATS,
                   Ended, Guest, record, records)

kernel, initramfs, abilities, directory = sys.argv[1:5]
abilities = abilities.split(",")
MACHINE = "microvm" if "microvm" in abilities else "q35"
count = 0
failed = False


def check(value, wanted=True, what="value"):
    global failed
    if value != wanted:
        line = sys._getframe(1).f_lineno
        print("# line %d: %s is %r, not %r" % (line, what, value, wanted))
        failed = True


def check_like(text, pattern):
    global failed
    if not re.search(pattern, text, re.M):
        line = sys._getframe(1).f_lineno
        print("# line %d: %r is not like %r" % (line, text, pattern))
        failed = True


def tap(ok, name):
    global count
    count += 1
    print("%sok %d - %s" % ("" if ok else "not ", count, name), flush=True)


def rule(function, *args):
    global failed
    failed = False
    try:
        function(*args)
    except Exception as error:  # a rule that breaks has failed; the others go on
        print("# %s: %s" % (type(error).__name__, str(error).replace("\n", "\n# ")))
        failed = True
    tap(not failed, function.__name__)


def make_root():
    os.umask(0o022)
    root = directory + "/image"
    for d in ("bin", "etc", "home/app", "data", "a"):
        os.makedirs(root + "/" + d)
    shutil.copy("/bin/busybox", root + "/bin/busybox")
    for name in subprocess.check_output(["/bin/busybox", "--list"], text=True).split():
        if name != "busybox":
            os.symlink("busybox", root + "/bin/" + name)
    with open(root + "/etc/passwd", "w") as f:
        f.write("root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n")
    with open(root + "/etc/group", "w") as f:
        f.write("root:x:0:\napp:x:1000:\nwheel:x:10:app\n")
    with open(root + "/data/kept", "w") as f:
        f.write("from the image\n")
    os.chmod(root + "/data/kept", 0o640)
    os.symlink("/data", root + "/link")
    os.symlink("/run/nowhere/resolv.conf", root + "/etc/resolv.conf")
    with open(root + "/bin/noexec", "w") as f:
        f.write("x")
    os.chmod(root + "/bin/noexec", 0o644)
    subprocess.run(["mkfs.erofs", "--all-root", directory + "/root.erofs", root], check=True, stdout=subprocess.DEVNULL)


def boot(machine=MACHINE, disks=(), **more):
    disks = [("root", directory + "/root.erofs", True), *disks]
    return Guest(kernel, initramfs, disks, machine=machine, append="quiet", **more)


def config(*args, **more):
    c = {"hostname": "box", "root": {"type": "erofs", "source": "root"}, "upper": {"type": "tmpfs"}}
    process = {"arg": list(args)}
    for key in ("env", "cwd", "user", "tty", "stdin", "rows", "columns"):
        if key in more:
            process[key] = more.pop(key)
    c.update(more)
    c["process"] = process
    return c


# Rules that share one machine, whose workload is a cat that waits for the end of its input.

number = 0


def run(g, *args, input=None, **fields):
    global number
    number += 1
    fields = dict(fields, arg=list(args))
    if input is not None:
        fields["stdin"] = True
    g.exec(number, fields)
    if input is not None:
        feed(g, number, input)
    p = g.wait(number)
    return p


def feed(g, n, data, end=True):
    """Sends as the guest gives credit."""
    p = g.process(n)
    while data:
        g.until(lambda: p.window > 0 or p.end)
        if p.end:
            return
        part = data[: min(p.window, 65536)]
        p.window -= len(part)
        g.send(DATA, n, part, 0)
        data = data[len(part):]
    if end:
        g.send(EOF, n, b"", 0)


def out(p):
    return p.out[1].decode()


def err(p):
    return p.out[2].decode()


def exit_codes_come_back(g):
    for code in (0, 3, 255):
        check(run(g, "sh", "-c", "exit %d" % code).end, {"code": code})


def a_program_that_is_not_there_is_127(g):
    p = run(g, "no-such-program")
    check(p.failed, (127, "executable file 'no-such-program' not found in $PATH: No such file or directory"))
    check(p.pid, None)
    check(run(g, "/no/such").failed, (127, "exec '/no/such': No such file or directory"))


def what_cannot_be_executed_is_126(g):
    check(run(g, "/bin/noexec").failed, (126, "exec '/bin/noexec': Permission denied"))
    check(run(g, "noexec").failed, (126, "executable file 'noexec' not executable in $PATH: Permission denied"))
    check(run(g, "/data").failed, (126, "exec '/data': Permission denied"))


def env_cwd_and_arguments_are_as_given(g):
    p = run(g, "sh", "-c", 'echo "$A|$B|$0|$1|$2"; pwd; env', "zero", "two words", "",
            env=["A=first", "B=x y", "A=last"], cwd="/data")
    lines = out(p).split("\n")
    check(lines[0], "last|x y|zero|two words|")
    check(lines[1], "/data")
    for wanted in ("HOME=/root", "HOSTNAME=box"):
        check(wanted in lines, True, wanted)
    check_like(out(p), "^PATH=/usr/local/sbin:")
    check("TERM=" in out(p), False)
    p = run(g, "sh", "-c", "pwd; echo $HOME; echo $PATH", cwd="/made/for/it", env=["HOME=/h", "PATH=/bin"])
    check(out(p), "/made/for/it\n/h\n/bin\n")


def the_path_of_the_environment_is_searched(g):
    check(run(g, "busybox", "true", env=["PATH=/data"]).failed[0], 127)
    check(run(g, "busybox", "true", env=["PATH=/data::/bin"]).end, {"code": 0})


def users_are_those_of_the_image(g):
    p = run(g, "sh", "-c", "id; echo $HOME; stat -c %u /proc/self/fd/1; echo hi >/dev/stdout", user="app")
    check(out(p), "uid=1000(app) gid=1000(app) groups=10(wheel)\n/home/app\n1000\nhi\n")
    check(out(run(g, "id", user="app:10")), "uid=1000(app) gid=10(wheel)\n")
    check(out(run(g, "sh", "-c", "id; echo $HOME", user="77:88")), "uid=77 gid=88\n/\n")
    p = run(g, "id", user="nobody-here")
    check(p.failed, (125, "unable to find user 'nobody-here': no matching entries in passwd file"))
    check(out(run(g, "stat", "-c", "%u", "/dev/null")), "0\n")


def stdout_and_stderr_stay_apart(g):
    p = run(g, "sh", "-c", "echo one; echo two >&2; echo three")
    check((out(p), err(p), p.eof), ("one\nthree\n", "two\n", {1, 2}))


def stdin_arrives_byte_for_byte(g):
    data = os.urandom(1500000)
    p = run(g, "sha256sum", input=data)
    check(out(p).split()[0], hashlib.sha256(data).hexdigest())


def without_stdin_there_is_dev_null(g):
    check(out(run(g, "sh", "-c", "cat; readlink /proc/self/fd/0")), "/dev/null\n")


def input_that_nobody_reads_is_dropped(g):
    check(run(g, "true", input=b"x" * 600000).end, {"code": 0})


def much_output_arrives_whole(g):
    global number
    number += 1
    p = g.process(number)
    p.keep = False
    g.exec(number, {"arg": ["sh", "-c", "head -c 67108864 /dev/zero; echo end"]})
    g.wait(number, 300)
    check((p.end, p.count[1]), ({"code": 0}, 67108868))


def output_written_last_is_not_lost(g):
    for _ in range(20):
        p = run(g, "sh", "-c", "head -c 60000 /dev/zero; exit 7")
        check((p.end, p.count[1]), ({"code": 7}, 60000))


def a_reader_that_stalls_stalls_its_own_stream_alone(g):
    global number
    number += 1
    slow = number
    p = g.process(slow)
    p.credits = False
    g.exec(slow, {"arg": ["sh", "-c", "head -c 1000000 /dev/zero"]})
    g.until(lambda: p.count[1] == 262144)
    check(out(run(g, "echo", "others", "go", "on")), "others go on\n")
    check((p.count[1], p.end), (262144, None))
    p.credits = True
    g.credit(slow, 1, 262144)
    p.owed[1] = 0
    g.wait(slow)
    check((p.end, p.count[1]), ({"code": 0}, 1000000))


def signals_reach_the_process(g):
    global number
    number += 1
    g.exec(number, {"arg": ["sh", "-c", 'trap "echo got it; exit 5" TERM; echo ready; while :; do sleep 0.1; done']})
    p = g.process(number)
    g.until(lambda: b"ready" in p.out[1])
    g.send(SIGNAL, number, records({"number": signal.SIGTERM}))
    g.wait(number)
    check((p.end, out(p)), ({"code": 5}, "ready\ngot it\n"))
    number += 1
    g.exec(number, {"arg": ["sleep", "1000"]})
    p = g.process(number)
    g.until(lambda: p.pid)
    g.send(SIGNAL, number, records({"number": signal.SIGKILL}))
    check(g.wait(number).end, {"signal": 9})


def a_terminal_has_its_size_and_signals(g):
    global number
    number += 1
    g.exec(number, {"arg": ["sh", "-c", 'stty size; tty; echo $TERM; trap "stty size" WINCH; trap "echo int; exit 4" INT; echo ready; while :; do sleep 0.1; done'],
                    "tty": True, "stdin": True, "rows": 30, "columns": 100})
    p = g.process(number)
    g.until(lambda: b"ready" in p.out[1])
    check_like(out(p), "^30 100\r\n/dev/pts/\\d+\r\nxterm\r\nready")
    g.send(RESIZE, number, records({"rows": 40, "columns": 120}))
    g.until(lambda: b"40 120" in p.out[1])
    g.send(DATA, number, b"\x03", 0)
    g.wait(number)
    check((p.end, p.eof), ({"code": 4}, {1}))


def a_terminal_ends_by_the_end_of_its_input(g):
    p = run(g, "cat", input=b"typed\n", tty=True)
    check((p.end, out(p)), ({"code": 0}, "typed\r\ntyped\r\n"))


def many_run_at_once(g):
    global number
    first = number + 1
    number += 60
    for n in range(first, number + 1):
        g.exec(n, {"arg": ["sh", "-c", "echo %d" % n]})
    for n in range(first, number + 1):
        check(out(g.wait(n)), "%d\n" % n)


def a_child_left_behind_holds_nobody_up(g):
    p = run(g, "sh", "-c", "sleep 1000 & echo $!")
    check(p.end, {"code": 0})
    check(run(g, "kill", out(p).strip()).end, {"code": 0})


def orphans_are_reaped(g):
    run(g, "sh", "-c", "(sleep 0.1 &) ; (true &)")
    run(g, "sleep", "0.5")
    check(out(run(g, "sh", "-c", "ps -o stat | grep -c Z")), "0\n")


def a_number_is_free_after_its_end(g):
    global number
    check(out(run(g, "echo", "one")), "one\n")
    g.processes.pop(number)
    number -= 1
    check(out(run(g, "echo", "two")), "two\n")


def a_number_is_free_after_its_failure(g):
    global number
    for _ in range(30):
        check(run(g, "/not/there").failed[0], 127)
        g.processes.pop(number)
        number -= 1
    number += 1


def a_dev_null_that_blocks_holds_nobody_up(g):
    run(g, "sh", "-c", "mv /dev/null /dev/null.kept && mkfifo /dev/null")
    check(out(run(g, "cat")), "")
    run(g, "mv", "/dev/null.kept", "/dev/null")


def children_that_end_by_the_thousand_hold_nobody_up(g):
    script = "i=0; while [ $i -lt 1500 ]; do (: &); i=$((i+1)); done; echo done"
    check(out(run(g, "sh", "-c", script)), "done\n")


def frames_about_nobody_are_ignored(g):
    g.send(SIGNAL, 9999, records({"number": 9}))
    g.send(RESIZE, 9999, records({"rows": 1, "columns": 1}))
    g.send(DATA, 9999, b"x", 0)
    g.send(EOF, 9999, b"", 0)
    g.credit(9999, 1, 1)
    check(out(run(g, "echo", "alive")), "alive\n")


def long_arguments_span_frames(g):
    text = "x" * 100000
    p = run(g, "sh", "-c", "echo ${#1} ${#E}", "sh", text, env="E=" + text)
    check(out(p), "100000 100000\n")


def statistics_are_told(g):
    g.send(STATS, 77)
    g.until(lambda: 77 in g.replies)
    s = g.replies[77]
    check(all(s[k] > 0 for k in ("nanoseconds", "cpu", "memory", "memory_used", "disk_read", "processes")), True, s)
    check(s["memory_used"] < s["memory"], True)


def the_clock_is_set(g):
    check(abs(int(out(run(g, "date", "+%s"))) - time.time()) < 60, True)
    g.send(CLOCK, 0, records({"nanoseconds": 1000000000 * 10**9}))
    check_like(out(run(g, "date", "+%Y")), "2001")


def the_root_is_complete(g):
    p = run(g, "sh", "-c", "hostname; cat /etc/hostname /etc/hosts; grep -c . /proc/mounts; ls -d /dev/pts/ptmx /dev/shm /dev/fd /sys/fs/cgroup/cgroup.procs; ulimit -n; echo x >/etc/new && cat /etc/new; ls /init /r 2>&1")
    check_like(out(p), "^box\nbox\n127.0.0.1\tlocalhost")
    check_like(out(p), "^/dev/fd\n/dev/pts/ptmx\n/dev/shm\n/sys/fs/cgroup/cgroup.procs\n1048576\nx\n")
    check_like(out(p), "/init: No such file")


def user_namespaces_work(g):
    check(out(run(g, "unshare", "-r", "id", "-u", user="app")), "0\n")


def reseeding_is_accepted(g):
    g.send(RESEED, 0, records({"entropy": os.urandom(64)}))
    check(out(run(g, "sh", "-c", "head -c 8 /dev/urandom | wc -c")), "8\n")


def the_timeline_is_told(g):
    phases = ["init", "config", "root", "workload"]
    check(sorted(g.timing, key=g.timing.get), phases)


def the_workload_s_end_ends_the_machine(g):
    number_before = number + 1
    g.exec(number_before, {"arg": ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]})
    g.until(lambda: g.process(number_before).out[1])
    g.send(EOF, 0, b"", 0)
    p = g.wait(0)
    check((p.end, out(p)), ({"code": 6}, ""))
    g.wait(number_before)
    check(g.process(number_before).end, {"signal": 9})
    check(g.shutdown(), 0)


SHARED = [
    exit_codes_come_back, a_program_that_is_not_there_is_127, what_cannot_be_executed_is_126,
    env_cwd_and_arguments_are_as_given, the_path_of_the_environment_is_searched,
    users_are_those_of_the_image, stdout_and_stderr_stay_apart, stdin_arrives_byte_for_byte,
    without_stdin_there_is_dev_null, input_that_nobody_reads_is_dropped,
    much_output_arrives_whole, output_written_last_is_not_lost,
    a_reader_that_stalls_stalls_its_own_stream_alone, signals_reach_the_process,
    a_terminal_has_its_size_and_signals, a_terminal_ends_by_the_end_of_its_input,
    many_run_at_once, a_child_left_behind_holds_nobody_up, orphans_are_reaped,
    a_number_is_free_after_its_end, a_number_is_free_after_its_failure,
    a_dev_null_that_blocks_holds_nobody_up,
    children_that_end_by_the_thousand_hold_nobody_up, frames_about_nobody_are_ignored,
    long_arguments_span_frames, statistics_are_told, the_root_is_complete,
    user_namespaces_work, reseeding_is_accepted, the_timeline_is_told, the_clock_is_set,
    the_workload_s_end_ends_the_machine,
]


# Rules with a machine of their own.

def a_q35_machine_works_too():
    with boot("q35") as g:
        g.begin(config("sh", "-c", "echo hi; exit 9"))
        p = g.wait()
        check((p.end, out(p)), ({"code": 9}, "hi\n"))
        check(g.shutdown(), 0)


def as_many_devices_work_as_a_microvm_has():
    disks = []
    for n in range(5):
        path = "%s/disk%d" % (directory, n)
        with open(path, "w") as f:
            f.write("%d" % n * 512)
        disks.append(("disk%d" % n, path, True))
    with boot(disks=disks) as g:
        g.begin(config("sh", "-c", "for d in /sys/block/vd*; do head -c 1 /dev/${d##*/} | tr -dc 0-9; done"))
        check("".join(sorted(out(g.wait()))), "01234")
        g.shutdown()


def processors_are_found_without_acpi():
    with boot(devices=[["-smp", "2"]]) as g:
        g.begin(config("nproc"))
        check(out(g.wait()), "2\n")
        g.shutdown()


def the_network_is_set_up():
    devices = [["-netdev", "user,id=n", "-device", "virtio-net-BUS,netdev=n,mac=52:54:00:12:34:56"]]
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, boot(devices=devices) as g:
        g.begin(config("sh", "-c", "echo from the guest | nc 10.0.2.2 %d; ip addr; ip route; ip -6 route; cat /etc/hosts /etc/resolv.conf" % listener.getsockname()[1],
                       link={"mac": "52:54:00:12:34:56", "address": ["10.0.2.15/24", "fec0::15/64"],
                             "gateway": ["10.0.2.2", "fec0::2"], "mtu": 1400},
                       dns=["10.0.2.3", "fec0::3"], search=["a.example", "b.example"],
                       hosts=["10.0.2.2 host.containers.internal"]))
        listener.settimeout(60)
        with listener.accept()[0] as connection:
            check(connection.recv(100), b"from the guest\n")
        p = g.wait()
        for wanted in ("LOOPBACK,UP", "mtu 1400", "inet 10.0.2.15/24", "inet6 fec0::15/64",
                       "^default via 10.0.2.2", "^default via fec0::2", "^10.0.2.15\tbox$",
                       "^10.0.2.2 host.containers.internal$", "^search a.example b.example$",
                       "^nameserver 10.0.2.3$"):
            check_like(out(p), wanted)
        g.shutdown()


def a_read_only_root_refuses_writes():
    with boot() as g:
        g.begin(config("sh", "-c", "touch /x 2>&1; touch /etc/x 2>&1; cat /etc/resolv.conf; pwd; touch /tmp/y && echo tmp",
                       upper=None, dns="10.0.2.3", cwd="/new/cwd",
                       mount=[{"type": "tmpfs", "target": "/tmp"}]))
        p = g.wait()
        check(out(p), "touch: /x: Read-only file system\ntouch: /etc/x: Read-only file system\n"
                      "nameserver 10.0.2.3\n/new/cwd\ntmp\n")
        g.shutdown()


def tmpfs_mounts_have_their_options():
    with boot() as g:
        g.begin(config("sh", "-c", "cat /data/kept; stat -c %a /data/kept; ls /a /link/; stat -c %a /t; "
                       "head -c 3000000 /dev/zero >/t/big 2>/dev/null || echo full; touch /ro/x 2>&1; grep ' /t ' /proc/mounts",
                       mount=[{"type": "tmpfs", "target": "/link", "options": "tmpcopyup,mode=755"},
                              {"type": "tmpfs", "target": "/t", "options": "size=1m,nosuid,noexec,mode=1777"},
                              {"type": "tmpfs", "target": "/ro", "read_only": True}]))
        p = g.wait()
        check_like(out(p), "^from the image\n640\n/a:\n\n/link/:\nkept\n1777\nfull\ntouch: /ro/x: Read-only")
        check_like(out(p), "nosuid,noexec")
        g.shutdown()


def a_lasting_layer_is_kept_and_clean():
    disk = directory + "/upper.ext4"
    with open(disk, "wb") as f:
        f.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", disk], check=True)
    upper = {"type": "ext4", "source": "upper"}
    for text, wanted in (("echo kept >/file; rm /data/kept; sleep 1000 & echo", "\n"), ("cat /file; ls /data; stat -c %a /", "kept\n755\n")):
        with boot(disks=[("upper", disk, False)]) as g:
            g.begin(config("sh", "-c", text, upper=upper))
            check(out(g.wait()), wanted)
            check(g.shutdown(), 0)
            check(g.logs, [])
        r = subprocess.run(["e2fsck", "-fn", disk], capture_output=True, text=True)
        check(r.returncode, 0, r.stdout)
        r = subprocess.run(["dumpe2fs", "-h", disk], capture_output=True, text=True)
        check("needs_recovery" in r.stdout, False)


def shares_are_mounted_whole_or_in_part():
    share = directory + "/share"
    os.makedirs(share + "/sub")
    with open(share + "/sub/one", "w") as f:
        f.write("from the host\n")
    devices = []
    for tag, options in (("rw", ""), ("ro", ",readonly=on"), ("part", "")):
        devices.append(["-fsdev", "local,id=%s,path=%s,security_model=none,multidevs=remap%s" % (tag, share, options),
                        "-device", "virtio-9p-BUS,fsdev=%s,mount_tag=%s" % (tag, tag)])
    with boot(devices=devices) as g:
        g.begin(config("sh", "-c", "cat /rw/sub/one /ro/sub/one /etc/one; echo x >/rw/new; touch /ro/x 2>&1; "
                       "echo x 2>&1 >/etc/one; ls -A /dev | grep volt",
                       mount=[{"type": "9p", "source": "rw", "target": "/rw"},
                              {"type": "9p", "source": "ro", "target": "/deep/../ro", "read_only": True},
                              {"type": "9p", "source": "part", "target": "/etc/one", "subpath": "sub/one", "read_only": True}]))
        p = g.wait()
        check(p.failed, None)
        check_like(out(p) + err(p), "^(from the host\n){3}touch: /ro/x: Read-only file system")
        check_like(out(p) + err(p), "can't create /etc/one: Read-only")
        with open(share + "/new") as f:
            check(f.read(), "x\n")
        g.shutdown()


def a_step_that_fails_is_told_with_its_reason():
    for more, wanted in (
        ({"root": {"type": "erofs", "source": "nowhere"}}, "find the disk 'nowhere': No such device"),
        ({"root": {"type": "ext4", "source": "root"}}, r"mount '/dev/vda' \(ext4\) on '/r/lower': "),
        ({"mount": [{"type": "nonsense", "target": "/x"}]}, r"mount 'nonsense' \(nonsense\) on '/x': No such device"),
        ({"link": {"mac": "52:54:00:00:00:01"}}, "find the network device '52:54:00:00:00:01': No such device"),
    ):
        with boot() as g:
            g.begin(config("true", **more))
            p = g.wait()
            check(p.failed[0], 125)
            check_like(p.failed[1], wanted)
            check(g.shutdown(), 0)


def want_of_memory_is_told():
    with boot(memory=128) as g:
        g.begin(config("sh", "-c", "tail /dev/zero"))
        check(g.wait().end, {"signal": 9, "oom": True})
        g.shutdown()


def shutdown_stops_a_running_workload():
    with boot() as g:
        g.begin(config("sh", "-c", 'trap "echo bye; exit 8" TERM; echo ready; while :; do sleep 0.1; done'))
        g.until(lambda: b"ready" in g.process(0).out[1])
        check(g.shutdown(), 0)
        check((g.process(0).end, out(g.process(0))), ({"code": 8}, "ready\nbye\n"))


def shutdown_before_config_powers_off():
    with boot() as g:
        g.greet()
        check(g.shutdown(), 0)


def another_version_is_refused():
    with boot() as g:
        g.until(lambda: g.hello)
        g.send(HELLO, 0, records({"version": 99}))
        check(g.off(), 0)
        check_like(" ".join(g.logs), "version 99 of the agent protocol, init 1")


def a_breach_of_the_protocol_ends_the_machine():
    long = struct.pack("<IHHI", 65537, DATA, 0, 0)
    for breach in (
        lambda g: g.sock.sendall(os.urandom(4000)),
        lambda g: g.sock.sendall(long),
        lambda g: g.send(CONFIG, 0, records(config("true"))),  # a second one
        lambda g: g.send(EXEC, 0, records({"arg": "true"})),
        lambda g: g.send(DATA, 0, b"x", 1),
        lambda g: g.credit(0, 1, 100),  # more than was sent
        lambda g: g.send(EXEC, 5, record("arg", "true"), 1) or g.send(STATS, 0),
    ):
        with boot() as g:
            g.begin(config("sh", "-c", "echo ready; sleep 1000"))
            g.until(lambda: b"ready" in g.process(0).out[1])
            breach(g)
            check(g.off(), 0)
            check_like(" ".join(g.logs), "breach of the protocol from the host")


OWN = [
    a_q35_machine_works_too, as_many_devices_work_as_a_microvm_has,
    processors_are_found_without_acpi, the_network_is_set_up, a_read_only_root_refuses_writes,
    tmpfs_mounts_have_their_options, a_lasting_layer_is_kept_and_clean,
    a_step_that_fails_is_told_with_its_reason, want_of_memory_is_told,
    shutdown_stops_a_running_workload, shutdown_before_config_powers_off,
    another_version_is_refused, a_breach_of_the_protocol_ends_the_machine,
]
if "9p" in abilities:
    OWN.append(shares_are_mounted_whole_or_in_part)


def main():
    make_root()
    only = os.environ.get("TAP_ONLY", "")
    shared = [r for r in SHARED if re.search(only, r.__name__)]
    if shared:
        with boot() as g:
            g.begin(config("sh", "-c", "cat; exit 6", stdin=True, nanoseconds=time.time_ns(), entropy=os.urandom(32)))
            for r in shared:
                rule(r, g)
    for r in OWN:
        if re.search(only, r.__name__):
            rule(r)
    print("1..%d" % count)


main()
