# A PostgreSQL 15 of its own, in a temporary directory and on a port of its own. To be sourced.
#   postgres_start    installs it from Debian if it is missing, starts it, and sets POSTGRES_PORT
#   postgres_stop     stops it and removes its directory

POSTGRES_BIN=/usr/lib/postgresql/15/bin

postgres_start() {
    [ -x "$POSTGRES_BIN/postgres" ] || {
        apt-get update -qq && apt-get install -y -qq postgresql-15 >/dev/null
    }
    POSTGRES_DIRECTORY=$(mktemp -d)
    POSTGRES_PORT=${POSTGRES_PORT:-$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')}
    chown postgres "$POSTGRES_DIRECTORY"
    # The collation is C, as ours.
    su postgres -c "$POSTGRES_BIN/initdb -D $POSTGRES_DIRECTORY/data --locale=C.UTF-8 --lc-collate=C -A trust" >/dev/null
    su postgres -c "$POSTGRES_BIN/pg_ctl -D $POSTGRES_DIRECTORY/data -o '-p $POSTGRES_PORT -k $POSTGRES_DIRECTORY' -l $POSTGRES_DIRECTORY/log -w start" >/dev/null
}

postgres_stop() {
    su postgres -c "$POSTGRES_BIN/pg_ctl -D $POSTGRES_DIRECTORY/data -m fast -w stop" >/dev/null
    rm -rf "$POSTGRES_DIRECTORY"
}
