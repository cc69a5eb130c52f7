"""Runs PostgreSQL's own regression files statement by statement on PostgreSQL and on Quorate and compares."""

import argparse
import os
import re
import sys
import time

from client import Client, Lost
from script import Variables, pieces

FILES = """boolean char varchar text name int2 int4 int8 float4 float8 numeric uuid enum date time timetz timestamp
timestamptz interval horology inet macaddr strings regex arrays json jsonb case select select_distinct
select_distinct_on select_having select_implicit join union subselect aggregates window with limit returning insert
insert_conflict update delete expressions random transactions portals prepare domain sequence identity""".split()

# As pg_regress sets them.
OPTIONS = {"TimeZone": "PST8PDT", "DateStyle": "Postgres, MDY"}
SESSION = ["SET intervalstyle = postgres_verbose", "SET statement_timeout = '20s'", "SET bytea_output = hex"]

HEADER = """# PostgreSQL's own regression files

PostgreSQL {version}'s `src/test/regress`, statement by statement, on PostgreSQL and on Quorate from the same starting
state (`compat/postgres/run`). *Equal*: the same rows, column names and types and the same command tag, or the same
SQLSTATE; the order of rows counts where the statement asks for one. *Refused*: 0A000, where PostgreSQL answers.
*Silent*: both answer, and differently. *Plans*: EXPLAIN, whose answers are each server's own; the percentage is of the other statements. psql's backslash commands are not compared here. [differences.md](differences.md)
lists the silent differences. `gate.tsv` has the least number of equal statements of each file; a run that has fewer fails.

"""


class Side:
    """One of the two servers, with the session that a file runs in."""

    def __init__(self, name, port, directory):
        self.name, self.port, self.directory = name, port, directory
        self.client = None

    def admin(self, text):
        client = Client("127.0.0.1", self.port, "postgres", "postgres", timeout_s=120)
        outcome = client.query(text)
        client.close()
        return outcome

    def fresh(self, database):
        """A new database, with a session."""
        if self.client:
            self.client.close()
        self.admin(f'DROP DATABASE IF EXISTS "{database}"')
        outcome = self.admin(f'CREATE DATABASE "{database}"')
        if outcome.is_error():
            raise SystemExit(f"{self.name}: {outcome.message}")
        self.database = database
        self.connect()

    def connect(self):
        self.client = Client("127.0.0.1", self.port, "postgres", self.database, OPTIONS, timeout_s=30)
        for text in SESSION:
            self.client.query(text)

    def run(self, text, data=None):
        try:
            return self.client.query(text, data)
        except Lost as error:
            self.connect()
            outcome = type("Gone", (), {})()
            outcome.columns, outcome.rows, outcome.tag, outcome.copied = None, [], None, []
            outcome.state, outcome.message, outcome.fields = "LOST", str(error), {}
            outcome.is_error = lambda: True
            return outcome


COPY_FILE = re.compile(r"^(\s*copy\s+.*?\bfrom\s+)'([^']*)'(.*)$", re.I | re.S)


def with_file(text, data):
    """COPY from a file of the server becomes COPY FROM STDIN with its contents."""
    match = COPY_FILE.match(text)
    if not match or data is not None:
        return text, data
    try:
        with open(match.group(2), "rb") as file:
            return f"{match.group(1)}stdin{match.group(3)}", file.read()
    except OSError:
        return text, data


def command(piece, sides, variables, source):
    """The backslash commands that change what later statements are."""
    text, line = piece.text.split("\0", 1)
    words = line[1:].split()
    name = words[0] if words else ""
    if name == "set" and len(words) >= 2:
        value = ""
        for match in re.finditer(r":'(\w+)'|'((?:[^']|'')*)'|:(\w+)|(\S+)", line.split(None, 2)[2] if len(words) > 2 else ""):
            if match.group(1) or match.group(3):
                value += variables.get(match.group(1) or match.group(3), "")
            else:
                value += (match.group(2) or "").replace("''", "'") or match.group(4) or ""
        variables[words[1]] = value
    elif name == "getenv" and len(words) >= 3:
        variables[words[1]] = {"PG_ABS_SRCDIR": source}.get(words[2], "")
    return text if name in ("gset", "g", "gexec", "gdesc", "crosstabview", "gx") and text else None


def ordered(text):
    return re.search(r"\border\s+by\b", text, re.I)


FIRST_USER_OID = 16384


def described(columns):
    """Columns with the oids of users' types as one: they count from 16384 on each server, as its history wants."""
    return columns and [(name, min(oid, FIRST_USER_OID)) for name, oid in columns]


def same(text, expected, got):
    if expected.is_error() or got.is_error():
        return expected.state == got.state
    if described(expected.columns) != described(got.columns) or expected.tag != got.tag:
        return False
    if expected.rows == got.rows and expected.copied == got.copied:
        return True
    if ordered(text):
        return False
    key = lambda row: tuple((value is None, value or "") for value in row)
    return sorted(expected.rows, key=key) == sorted(got.rows, key=key) and sorted(expected.copied) == sorted(got.copied)


PLAN = re.compile(r"^\s*explain\b", re.I)


def verdict(text, expected, got):
    if PLAN.match(text) and not expected.is_error() and not got.is_error():
        return "plan"
    if same(text, expected, got):
        return "equal"
    if got.state == "0A000":
        return "refused"
    return "different" if expected.is_error() or got.is_error() else "silent"


# Their answers are other ones on the same server, too, or tell of the server's insides.
UNSTEADY = re.compile(
    r"^\s*explain\b|\bversion\s*\(|\bpg_backend_pid|\brandom\s*\(|\bclock_timestamp|\btxid_current|\bctid\b|\bpg_size|\btableoid\b|gen_random_uuid|'now'|\bcurrent_time|\bnow\s*\(|'today'|'tomorrow'|'yesterday'|localtime",
    re.I,
)


def run_file(name, source, sides, details):
    counts = dict.fromkeys(("equal", "different", "refused", "silent", "plan"), 0)
    messages = 0
    silent = []
    variables = Variables()
    for side in sides:
        side.fresh("regression")
    for prepared in ("test_setup", name):
        counted = prepared == name
        with open(f"{source}/sql/{prepared}.sql", encoding="utf8") as file:
            script = file.read()
        for piece in pieces(script, variables):
            text, data = piece.text, piece.data
            if piece.is_command:
                text = command(piece, sides, variables, source)
                if text is None:
                    continue
            text, data = with_file(text, data)
            data = data.encode() if isinstance(data, str) else data
            expected, got = (side.run(text, data) for side in sides)
            if not counted:
                continue
            result = verdict(text, expected, got)
            counts[result] += 1
            if result == "equal" and expected.is_error() and expected.message != got.message:
                messages += 1
            if result == "silent":
                silent.append((piece.line, text, bool(UNSTEADY.search(text))))
            if details and result != "plan" and (result != "equal" or (expected.is_error() and expected.message != got.message)):
                show(details, name, piece, text, result, expected, got)
    return counts, messages, silent


def show(details, name, piece, text, result, expected, got):
    print(f"--- {name}:{piece.line} {result}\n{text[:700]}", file=details)
    for label, outcome in (("postgres", expected), ("quorate", got)):
        if outcome.is_error():
            print(f"  {label}: {outcome.state} {outcome.message}", file=details)
        else:
            rows = "; ".join(str(row) for row in outcome.rows[:12])
            print(f"  {label}: {outcome.tag} {outcome.columns} {rows[:900]}", file=details)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, help="the directory src/test/regress")
    parser.add_argument("--version", default="15")
    parser.add_argument("--postgres", type=int, required=True, help="PostgreSQL's port")
    parser.add_argument("--quorate", type=int, required=True, help="Quorate's port")
    parser.add_argument("--details", help="where to write everything that is not equal")
    parser.add_argument("--report", help="the directory of README.md, differences.md and gate.tsv, if they are to be checked and written")
    parser.add_argument("files", nargs="*", default=FILES)
    arguments = parser.parse_args()
    sides = [
        Side("PostgreSQL", arguments.postgres, arguments.source),
        Side("Quorate", arguments.quorate, arguments.source),
    ]
    details = open(arguments.details, "w", encoding="utf8") if arguments.details else None
    lines, silent_of, failed = [], {}, False
    gate = read_gate(arguments.report)
    total = dict.fromkeys(("equal", "different", "refused", "silent", "plan", "messages"), 0)
    header = f"{'file':20} {'statements':>10} {'equal':>6} {'%':>4} {'different':>9} {'refused':>8} {'silent':>7} {'plans':>6} {'other message':>14}"
    print(header)
    for name in arguments.files or FILES:
        started = time.monotonic()
        counts, messages, silent = run_file(name, arguments.source, sides, details)
        silent_of[name] = silent
        for key, value in {**counts, "messages": messages}.items():
            total[key] += value
        lines.append(row_of_report(name, counts, messages))
        print(f"{lines[-1]}   {time.monotonic() - started:.1f} s", flush=True)
        if counts["equal"] < gate.get(name, 0):
            print(f"  fewer than the {gate[name]} of gate.tsv")
            failed = True
        gate[name] = max(gate.get(name, 0), counts["equal"])
    messages = total.pop("messages")
    lines.append(row_of_report("all", total, messages))
    print(lines[-1])
    if arguments.report:
        write_report(arguments, header, lines, silent_of, gate)
    sys.exit(1 if failed else 0)


def row_of_report(name, counts, messages):
    count = sum(counts.values())
    percent = 100 * counts["equal"] // max(count - counts["plan"], 1)
    return f"{name:20} {count:10} {counts['equal']:6} {percent:4} {counts['different']:9} {counts['refused']:8} {counts['silent']:7} {counts['plan']:6} {messages:14}"


def read_gate(directory):
    try:
        with open(f"{directory}/gate.tsv", encoding="utf8") as file:
            return {name: int(count) for name, count in (line.split("\t") for line in file)}
    except OSError:
        return {}


def write_report(arguments, header, lines, silent_of, gate):
    with open(f"{arguments.report}/README.md", "w", encoding="utf8") as file:
        file.write(HEADER.format(version=arguments.version))
        file.write("```\n" + header + "\n" + "\n".join(lines) + "\n```\n")
    with open(f"{arguments.report}/differences.md", "w", encoding="utf8") as file:
        file.write("# Statements that both servers answer, differently\n\n")
        file.write("Marked *unsteady*: the answer tells of the time, of chance, or of the server's insides.\n")
        for name, silent in silent_of.items():
            if silent:
                file.write(f"\n## {name}\n\n")
            for line, text, unsteady in silent:
                short = " ".join(text.split())[:160].replace("`", "'")
                file.write(f"- {line}: `{short}`{' (*unsteady*)' if unsteady else ''}\n")
    with open(f"{arguments.report}/gate.tsv", "w", encoding="utf8") as file:
        for name, count in sorted(gate.items()):
            file.write(f"{name}\t{count}\n")


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    main()
