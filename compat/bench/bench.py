"""Runs the workloads on both servers and prints the table. Called by compat/bench/run."""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROUNDS = 3
COPY_ROWS = 1_000_000


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--postgres", help="the port of the primary")
    parser.add_argument("--standby", help="the port of a standby, empty for none")
    parser.add_argument("--quorate", help="the ports of all nodes, with commas between")
    parser.add_argument("--admin", help="the ports of their status pages")
    parser.add_argument("--pids", help="their processes")
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--scale", type=int)
    parser.add_argument("--only", help="a regular expression: rows whose names it does not match are left out")
    return parser.parse_args()


OPTIONS = arguments()
PIDS = [pid for pid in OPTIONS.pids.split(",") if pid]


def note(text):
    print(text, file=sys.stderr, flush=True)


def sql(port, text, database="bench"):
    command = ["psql", "-qAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", port, "-U", "postgres", database, "-c", text]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def pgbench(port, *options):
    command = ["pgbench", "-h", "127.0.0.1", "-p", port, "-U", "postgres", *options, "bench"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        raise SystemExit(f"pgbench failed: {run.stderr}")
    return run.stdout


def tps(port, clients, *options):
    output = pgbench(port, "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2)), "-T", str(OPTIONS.seconds), *options)
    failed = re.search(r"failed transactions: (\d+)", output)
    if failed and failed.group(1) != "0":
        raise SystemExit(f"pgbench: {failed.group(0)}")
    return float(re.search(r"tps = ([\d.]+)", output).group(1))


def copy(port, path):
    sql(port, "DROP TABLE IF EXISTS copied; CREATE TABLE copied (id int, name text, amount numeric(10,2), at timestamp)")
    started = time.monotonic()
    sql(port, f"\\copy copied FROM '{path}'")
    return COPY_ROWS / (time.monotonic() - started)


def copy_file():
    file = tempfile.NamedTemporaryFile("w", suffix=".tsv", delete=False)
    with file:
        for row in range(COPY_ROWS):
            file.write(f"{row}\tname {row % 1000}\t{row % 100000 / 100:.2f}\t2024-01-01 00:00:{row % 60:02d}\n")
    return file.name


def memory():
    texts = []
    for pid in PIDS:
        with open(f"/proc/{pid}/status") as status:
            kilobytes = int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))
        texts.append(f"{kilobytes / 1024:.0f}")
    return ", ".join(texts)


def places():
    """The ports of the leader and of a follower, which is None for a node alone."""
    ports, admins = OPTIONS.quorate.split(","), [port for port in OPTIONS.admin.split(",") if port]
    if not admins:
        return ports[0], None
    for _ in range(100):
        for port, admin in zip(ports, admins):
            page = urllib.request.urlopen(f"http://127.0.0.1:{admin}/status", timeout=5).read().decode()
            if "role\tleader" in page:
                return port, next(other for other in ports if other != port)
        time.sleep(0.1)
    raise SystemExit("there is no leader")


def workloads(script, rows):
    """Name, whether it writes, and what measures it at a port."""
    for name in ("select-only", "simple-update", "tpcb-like"):
        for clients in (1, 8, 32):
            yield f"{name}, {clients} clients", name != "select-only", lambda port, n=name, c=clients: tps(port, c, "-b", n)
    for clients in (1, 8, 64):
        yield f"INSERT, {clients} clients", True, lambda port, c=clients: tps(port, c, "-f", script)
    yield "COPY of 1,000,000 rows", True, lambda port: copy(port, rows)


def compare(name, run, theirs, ours):
    """One row of the table. Our port is a function: the leader may change."""
    if not re.search(OPTIONS.only, name):
        return
    pairs = []
    for round_number in range(ROUNDS):
        note(f"{name}: {round_number + 1} of {ROUNDS}")
        pairs.append((run(theirs), run(ours())))
    ratios = [ours / theirs for theirs, ours in pairs]
    theirs, ours = (statistics.median(side) for side in zip(*pairs))
    spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
    print(f"{name:<40}{theirs:>14,.0f}{ours:>12,.0f}{statistics.median(ratios):>8.2f}{spread:>14}", flush=True)


def main():
    print(f"Quorate's memory in MB, idle: {memory()}", flush=True)
    for port in (OPTIONS.postgres, places()[0]):
        sql(port, "CREATE DATABASE bench", "postgres")
        note(f"pgbench -i -s {OPTIONS.scale} on port {port}")
        pgbench(port, "-i", "-q", "-s", str(OPTIONS.scale))
        sql(port, "CREATE TABLE inserted (id serial PRIMARY KEY, name text, amount int)")
    script = tempfile.NamedTemporaryFile("w", suffix=".sql", delete=False)
    with script:
        script.write("\\set n random(1, 1000000)\nINSERT INTO inserted (name, amount) VALUES ('a name', :n);\n")
    rows = copy_file()
    is_cluster = places()[1] is not None
    print(f"\n{'a second':<40}{'PostgreSQL 15':>14}{'Quorate':>12}{'ratio':>8}{'spread':>14}", flush=True)
    for name, writes, run in workloads(script.name, rows):
        compare(name + (", on the leader" if is_cluster else ""), run, OPTIONS.postgres, lambda: places()[0])
        if is_cluster:
            theirs = OPTIONS.postgres if writes else OPTIONS.standby
            compare(name + ", on a follower", run, theirs, lambda: places()[1])
    print(f"\nQuorate's memory in MB afterwards: {memory()}")
    os.unlink(script.name)
    os.unlink(rows)


main()
