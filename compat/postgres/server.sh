# A PostgreSQL 15 of its own, in a temporary directory and on a port of its own. To be sourced.
#   postgres_start      installs it from Debian if it is missing, starts it, and sets POSTGRES_PORT
#   postgres_standbys   starts two streaming standbys, one of which must have flushed each commit; sets POSTGRES_STANDBY_PORTS
#   postgres_stop       stops all and removes their directory

POSTGRES_BIN=/usr/lib/postgresql/15/bin
POSTGRES_STANDBY_PORTS=

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# postgres_run DATA PORT starts the server of a data directory.
postgres_run() {
    su postgres -c "$POSTGRES_BIN/pg_ctl -D $POSTGRES_DIRECTORY/$1 -o '-p $2 -k $POSTGRES_DIRECTORY' -l $POSTGRES_DIRECTORY/$1.log -w start" >/dev/null
}

postgres_start() {
    [ -x "$POSTGRES_BIN/postgres" ] || {
        apt-get update -qq && apt-get install -y -qq postgresql-15 >/dev/null
    }
    POSTGRES_DIRECTORY=$(mktemp -d)
    POSTGRES_PORT=${POSTGRES_PORT:-$(free_port)}
    chown postgres "$POSTGRES_DIRECTORY"
    # The collation is C, as ours.
    su postgres -c "$POSTGRES_BIN/initdb -D $POSTGRES_DIRECTORY/data --locale=C.UTF-8 --lc-collate=C -A trust" >/dev/null
    postgres_run data "$POSTGRES_PORT"
}

postgres_standbys() {
    for number in 1 2; do
        port=$(free_port)
        su postgres -c "$POSTGRES_BIN/pg_basebackup -D $POSTGRES_DIRECTORY/standby$number -R -X stream -d 'host=127.0.0.1 port=$POSTGRES_PORT application_name=standby$number'"
        postgres_run "standby$number" "$port"
        POSTGRES_STANDBY_PORTS="$POSTGRES_STANDBY_PORTS $port"
    done
    psql -q -h 127.0.0.1 -p "$POSTGRES_PORT" -U postgres postgres \
        -c "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (standby1, standby2)'" -c "SELECT pg_reload_conf()" >/dev/null
}

postgres_stop() {
    for data in standby1 standby2 data; do
        [ ! -d "$POSTGRES_DIRECTORY/$data" ] || su postgres -c "$POSTGRES_BIN/pg_ctl -D $POSTGRES_DIRECTORY/$data -m fast -w stop" >/dev/null
    done
    rm -rf "$POSTGRES_DIRECTORY"
}
