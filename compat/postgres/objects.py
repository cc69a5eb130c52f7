#!/usr/bin/env python3
"""Writes objects.md: which of PostgreSQL's functions, aggregates, operators and casts are here, with counts.

objects.tsv is the list of ours (a unit test keeps it current); PostgreSQL tells its own:
    compat/postgres/objects.py PORT
Types that are not here yet have rows of their own, so that one sees what is lacking on the types that are.
"""

import os
import sys

from client import Client

HERE = os.path.dirname(os.path.abspath(__file__))
# Types, and what works on them, that are refused with 0A000.
LATER = (
    "point lseg path box polygon line circle money bit varbit tsvector tsquery gtsvector jsonpath xml pg_lsn txid_snapshot pg_snapshot "
    "int4range int8range numrange daterange tsrange tstzrange int4multirange int8multirange nummultirange datemultirange tsmultirange "
    "tstzmultirange anyrange anymultirange anycompatiblerange anycompatiblemultirange refcursor tid xid xid8 cid aclitem"
).split()
# Types that no statement of a user has.
INTERNAL = (
    "internal cstring trigger event_trigger language_handler fdw_handler table_am_handler index_am_handler tsm_handler pg_ddl_command "
    "pg_node_tree pg_ndistinct pg_dependencies pg_mcv_list pg_brin_bloom_summary pg_brin_minmax_multi_summary"
).split()

FUNCTIONS = """
SELECT p.oid, p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', p.prokind = 'a',
  coalesce((SELECT string_agg(t.typname || ' ' || coalesce(e.typname, ''), ' ')
    FROM unnest(p.proargtypes::oid[] || p.prorettype) a JOIN pg_type t ON t.oid = a LEFT JOIN pg_type e ON e.oid = t.typelem), '')
FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_operator o WHERE o.oprcode = p.oid)
  AND NOT EXISTS (SELECT FROM pg_cast c WHERE c.castfunc = p.oid)
  AND NOT EXISTS (SELECT FROM pg_aggregate a WHERE p.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn,
    a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn) AND p.proname NOT IN ('array_append', 'array_cat'))
  AND NOT EXISTS (SELECT FROM pg_type t WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout,
    t.typanalyze, t.typsubscript))
  AND NOT EXISTS (SELECT FROM pg_amproc m WHERE m.amproc = p.oid)
  AND p.prosupport <> p.oid
"""
OPERATORS = """
SELECT o.oid, o.oprname || '(' || concat_ws(', ', nullif(o.oprleft, 0)::regtype, o.oprright::regtype) || ')',
  concat_ws(' ', l.typname, r.typname, s.typname)
FROM pg_operator o LEFT JOIN pg_type l ON l.oid = o.oprleft JOIN pg_type r ON r.oid = o.oprright JOIN pg_type s ON s.oid = o.oprresult
"""
CASTS = """
SELECT c.castsource || ' ' || c.casttarget, c.castsource::regtype || ' to ' || c.casttarget::regtype, s.typname || ' ' || t.typname
FROM pg_cast c JOIN pg_type s ON s.oid = c.castsource JOIN pg_type t ON t.oid = c.casttarget
"""


def scope(types):
    words = set(types.split())
    if words & set(INTERNAL):
        return "internal"
    return "later" if words & set(LATER) else "here"


def main():
    ours = {}
    with open(os.path.join(HERE, "objects.tsv")) as lines:
        for line in lines:
            kind, key, _ = line.rstrip("\n").split("\t")
            ours.setdefault("function" if kind == "aggregate" else kind, set()).add(key)
    client = Client("127.0.0.1", int(sys.argv[1]), "postgres", "postgres")

    def rows(text):
        outcome = client.query(text)
        outcome = outcome[0] if isinstance(outcome, list) else outcome
        if outcome.is_error():
            sys.exit(outcome.message)
        return [[value.decode() if isinstance(value, bytes) else value for value in row] for row in outcome.rows]

    listed = []
    for key, name, is_aggregate, types in rows(FUNCTIONS):
        kind = "aggregates" if is_aggregate == "t" else "functions"
        if name.startswith(("pg_", "binary_upgrade", "ts_", "xml", "lo_", "has_", "brin_", "gin", "heap_", "hash")):
            kind = "functions about the server"
        listed.append((kind, key in ours["function"], name, scope(types)))
    for key, name, types in rows(OPERATORS):
        listed.append(("operators", key in ours["operator"], name, scope(types)))
    for key, name, types in rows(CASTS):
        listed.append(("casts", key in ours["cast"], name, scope(types)))

    out = ["# What is here of PostgreSQL 15's functions, aggregates, operators and casts", ""]
    out += ["Written by objects.py from pg_proc, pg_aggregate, pg_operator and pg_cast, and from objects.tsv, which lists ours. Functions that"]
    out += ["stand behind operators, casts, aggregates, indexes and types' input and output are left out of the count.", ""]
    out += ["| kind | on types that are here | of | on types for later | of |", "| --- | ---: | ---: | ---: | ---: |"]
    kinds = ["functions", "aggregates", "operators", "casts", "functions about the server"]
    for kind in kinds:
        cells = []
        for where in ("here", "later"):
            found = [is_ours for k, is_ours, _, s in listed if k == kind and s == where]
            cells += [str(sum(found)), str(len(found))]
        out.append(f"| {kind} | {' | '.join(cells)} |")
    for kind in kinds:
        lacking = sorted({name for k, is_ours, name, s in listed if k == kind and s == "here" and not is_ours})
        out += ["", f"## Lacking {kind}, on types that are here ({len(lacking)})", ""] + [f"- `{name}`" for name in lacking]
    with open(os.path.join(HERE, "objects.md"), "w") as report:
        report.write("\n".join(out) + "\n")
    print("\n".join(out[5:13]))


main()
