"""Runs the workloads on both servers and prints the table. Called by compat/bench/run."""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

POSTGRES, QUORATE, SECONDS, SCALE, PID = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
ROUNDS = 3
COPY_ROWS = 1_000_000


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
    output = pgbench(port, "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2)), "-T", str(SECONDS), *options)
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
    with open(f"/proc/{PID}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024


def main():
    print(f"Quorate's memory, idle: {memory():.0f} MB", flush=True)
    for port in (POSTGRES, QUORATE):
        sql(port, "CREATE DATABASE bench", "postgres")
        note(f"pgbench -i -s {SCALE} on port {port}")
        pgbench(port, "-i", "-q", "-s", str(SCALE))
        sql(port, "CREATE TABLE inserted (id serial PRIMARY KEY, name text, amount int)")
    script = tempfile.NamedTemporaryFile("w", suffix=".sql", delete=False)
    with script:
        script.write("\\set n random(1, 1000000)\nINSERT INTO inserted (name, amount) VALUES ('a name', :n);\n")
    rows = copy_file()
    workloads = []
    for name in ("select-only", "simple-update", "tpcb-like"):
        for clients in (1, 8, 32):
            workloads.append((f"{name}, {clients} clients", lambda port, n=name, c=clients: tps(port, c, "-b", n)))
    for clients in (1, 8, 64):
        workloads.append((f"INSERT, {clients} clients", lambda port, c=clients: tps(port, c, "-f", script.name)))
    workloads.append(("COPY of 1,000,000 rows", lambda port: copy(port, rows)))

    print(f"\n{'a second':<28}{'PostgreSQL 15':>14}{'Quorate':>12}{'ratio':>8}{'spread':>14}", flush=True)
    for name, run in workloads:
        pairs = []
        for round_number in range(ROUNDS):
            note(f"{name}: {round_number + 1} of {ROUNDS}")
            pairs.append((run(POSTGRES), run(QUORATE)))
        ratios = [ours / theirs for theirs, ours in pairs]
        theirs, ours = (statistics.median(side) for side in zip(*pairs))
        spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
        print(f"{name:<28}{theirs:>14,.0f}{ours:>12,.0f}{statistics.median(ratios):>8.2f}{spread:>14}", flush=True)
    print(f"\nQuorate's memory afterwards: {memory():.0f} MB")
    os.unlink(script.name)
    os.unlink(rows)


main()
