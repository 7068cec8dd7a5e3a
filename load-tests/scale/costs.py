"""What one mail costs each part, measured: `costs.py FOLDER_OF_BINARIES OUT`.

An edge, a scanner, a reputation server and a Redis, each in its process on loopback. Four senders speak SMTP to the edge as fast as
it answers. Costs are processor time (user and system) of each process over the mails that went through, so the senders may be
slow. What travels between the parts is counted by relays that stand between them. Mails are invented."""

import os
import random
import select
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time

MAILS = int(os.environ.get("MAILS", "4000"))
SENDERS = 4
TICKS = os.sysconf("SC_CLK_TCK")
WORDS = "the meeting of the garden society will be held on sunday please bring tea cups and the list of plants that you want".split()


def free():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Relay:
    """Passes a TCP port on and counts the bytes of both directions."""

    def __init__(self, to):
        self.to, self.bytes, self.listener = to, 0, socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(("127.0.0.1", self.to))
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    def pump(self, a, b):
        try:
            while data := a.recv(65536):
                self.bytes += len(data)
                b.sendall(data)
            b.close()
        except OSError:
            pass  # The other direction has ended both.


class UdpRelay:
    """The same for datagrams: each asker has a socket of its own behind the relay."""

    def __init__(self, to):
        self.to, self.bytes, self.datagrams = to, 0, 0
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.port = self.front.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        behind, asker = {}, {}
        while True:
            for one in select.select([self.front, *asker], [], [])[0]:
                data, source = one.recvfrom(2048)
                self.bytes, self.datagrams = self.bytes + len(data), self.datagrams + 1
                if one is not self.front:
                    self.front.sendto(data, asker[one])
                    continue
                if source not in behind:
                    behind[source] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    behind[source].connect(("127.0.0.1", self.to))
                    asker[behind[source]] = source
                behind[source].send(data)


def sink(port):
    """A next hop that takes everything."""

    def next_line(reader):
        try:
            return reader.readline()
        except ConnectionResetError:
            return b""

    def serve(peer):
        out = lambda line: peer.sendall(line.encode() + b"\r\n")
        out("220 sink.test")
        reader, is_data = peer.makefile("rb"), False
        while line := next_line(reader):
            if is_data:
                if line == b".\r\n":
                    is_data = False
                    out("250 taken")
                continue
            word = line[:4].upper()
            if word == b"DATA":
                is_data = True
            out({b"DATA": "354 go on", b"EHLO": "250 sink.test", b"QUIT": "221 bye"}.get(word, "250 ok"))

    listener = socket.create_server(("127.0.0.1", port), backlog=64)

    def accept():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def text(seed, words):
    dice = random.Random(seed)
    lines = [" ".join(dice.choice(WORDS) + str(dice.randrange(999)) * (dice.random() < 0.1) for _ in range(10)) for _ in range(words // 10)]
    return "\r\n".join(lines)


def mail(number, seed, attached=0):
    head = f"From: Ann <ann@sender.test>\r\nTo: Bob <bob@example.test>\r\nSubject: note {number}\r\nMessage-Id: <{number}.{seed}@sender.test>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    body = text(seed, 300) + f"\r\nhttp://site{seed % 997}.example/page\r\n"
    if not attached:
        return head + "Content-Type: text/plain\r\n\r\n" + body
    lines = "\r\n".join(["%076d" % random.Random(f"{seed}-{n}").randrange(10**70) for n in range(attached // 78)])
    return (
        head + 'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n' + body
        + "--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines + "\r\n--b--\r\n"
    )


def cpu(process):
    fields = open(f"/proc/{process.pid}/stat").read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def wait_port(port):
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nobody listens at {port}")


def send(port, mails):
    def one(part):
        with smtplib.SMTP("127.0.0.1", port) as client:
            for content in part:
                client.sendmail("ann@sender.test", ["bob@example.test"], content)

    threads = [threading.Thread(target=one, args=(mails[n::SENDERS],)) for n in range(SENDERS)]
    [it.start() for it in threads]
    [it.join() for it in threads]


def redis_bytes(port):
    done = subprocess.run(["redis-cli", "-p", str(port), "info", "stats"], capture_output=True, text=True).stdout
    return sum(int(line.split(":")[1]) for line in done.splitlines() if line.startswith(("total_net_input_bytes", "total_net_output_bytes")))


def main(binaries, out):
    folder = tempfile.mkdtemp()
    smtp, hop, redis, scanner, reputation = (free() for _ in range(5))
    admins = [free() for _ in range(4)]
    sink(hop)
    store = subprocess.Popen(["redis-server", "--port", str(redis), "--save", "", "--dir", folder], stdout=subprocess.DEVNULL)
    wait_port(redis)
    grpc, datagrams = Relay(scanner), UdpRelay(reputation)
    config = f"""
[all]
admin = ""
[edge]
milter = ""
lmtp = ""
smtp = "127.0.0.1:{smtp}"
admin = "127.0.0.1:{admins[0]}"
next_hop = "127.0.0.1:{hop}"
scanners = ["http://127.0.0.1:{grpc.port}"]
spool_dir = "{folder}"
deadline_ms = 90000
[scanner]
listen = "127.0.0.1:{scanner}"
admin = "127.0.0.1:{admins[1]}"
redis = "redis://127.0.0.1:{redis}"
redis_budget_ms = 1000
reputation = ["127.0.0.1:{datagrams.port}"]
reputation_budget_ms = 1000
[reputation]
listen = "127.0.0.1:{reputation}"
grpc = "127.0.0.1:{admins[3]}"
admin = "127.0.0.1:{admins[2]}"
answers_per_second = 0
"""
    with open(f"{folder}/tamis.toml", "w") as file:
        file.write(config)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TAMIS_", "OTEL_", "RUST_LOG"))}
    start = lambda *words: subprocess.Popen([*words, "--config", f"{folder}/tamis.toml"], env=env, stdout=subprocess.DEVNULL, stderr=open(f"{folder}/log", "a"))
    parts = {"redis": store}
    parts["reputation"] = start(f"{binaries}/tamis", "reputation")
    wait_port(admins[2])
    parts["scanner"] = start(f"{binaries}/tamis", "scanner")
    wait_port(scanner)
    parts["edge"] = start(f"{binaries}/tamis-edge")
    wait_port(smtp)
    kinds = {
        "known": [mail(n, 1) for n in range(MAILS)],
        "new": [mail(n, n) for n in range(MAILS, 2 * MAILS)],
        "known_100kB": [mail(n, 2, 100_000) for n in range(MAILS // 4)],
    }
    rows = []
    try:
        send(smtp, [mail(n, 1) for n in range(100)] + [mail(n, 2, 100_000) for n in range(50)])
        for kind, mails in kinds.items():
            before = {name: cpu(it) for name, it in parts.items()}
            wire, udp, asked, stored = grpc.bytes, datagrams.bytes, datagrams.datagrams, redis_bytes(redis)
            send(smtp, mails)
            time.sleep(0.5)
            each = lambda value: value / len(mails)
            rows += [(f"{kind}.size", each(sum(map(len, mails))), "bytes/mail")]
            rows += [(f"{kind}.{name}_cpu", each(cpu(it) - before[name]) * 1e6, "us/mail") for name, it in sorted(parts.items())]
            rows += [
                (f"{kind}.edge_scanner", each(grpc.bytes - wire), "bytes/mail"),
                (f"{kind}.scanner_reputation", each(datagrams.bytes - udp), "bytes/mail"),
                (f"{kind}.reputation_datagrams", each(datagrams.datagrams - asked), "datagrams/mail"),
                (f"{kind}.scanner_redis", each(redis_bytes(redis) - stored), "bytes/mail"),
            ]
    finally:
        for it in parts.values():
            it.terminate()
    words = open("/proc/cpuinfo").read().split("model name\t: ")[1].split("\n")[0]
    with open(out, "w") as file:
        file.write(f"# What one mail costs each part\n\nMachine: {words}, {os.cpu_count()} cores, Linux {os.uname().release}.\n\n")
        file.write("- `load-tests/scale/costs.py`: release builds, every part in a process of its own, loopback, no DNS, no certificates.\n")
        file.write("- Text mails of some 2 kB: `known` are copies of one, `new` have each a text and a link of their own; `known_100kB` are copies with an attachment.\n")
        file.write("- Processor time of each process, user and system, over the mails; bytes in both directions together.\n\n")
        file.write("| figure | value | unit |\n|---|---|---|\n")
        file.writelines(f"| {name} | {value:.1f} | {unit} |\n" for name, value, unit in rows)
    print(open(out).read())


if __name__ == "__main__":
    main(*sys.argv[1:])
