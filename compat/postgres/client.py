"""PostgreSQL's protocol, as far as a comparison of two servers needs it: simple queries and COPY."""

import socket
import struct


class Outcome:
    """What a server answered to one statement."""

    def __init__(self):
        self.columns = None  # [(name, type oid)], None without a result
        self.rows = []
        self.tag = None
        self.state = None
        self.message = None
        self.fields = {}
        self.wants_data = False
        self.copied = []

    def is_error(self):
        return self.state is not None


class Lost(Exception):
    """The server has ended the connection, or did not answer in time."""


class Client:
    """One connection."""

    def __init__(self, host, port, user, database, options=None, timeout_s=60):
        self.socket = socket.create_connection((host, port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        pairs = {"user": user, "database": database, "client_encoding": "UTF8", **(options or {})}
        body = struct.pack("!i", 196608)
        for key, value in pairs.items():
            body += key.encode() + b"\0" + value.encode() + b"\0"
        body += b"\0"
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        outcome = Outcome()
        self._until_ready(outcome)
        if outcome.is_error():
            raise Lost(outcome.message)

    def close(self):
        try:
            self.socket.sendall(b"X" + struct.pack("!i", 4))
        except OSError:
            pass
        self.socket.close()

    def _read(self, count):
        while len(self.buffer) < count:
            try:
                piece = self.socket.recv(1 << 16)
            except OSError as error:
                raise Lost(str(error)) from error
            if not piece:
                raise Lost("the server closed the connection")
            self.buffer += piece
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def _message(self):
        kind, length = struct.unpack("!ci", self._read(5))
        return kind, self._read(length - 4)

    def _send(self, kind, body):
        try:
            self.socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)
        except OSError as error:
            raise Lost(str(error)) from error

    def query(self, text, data=None):
        """Runs a text as psql does. `data` are the lines of COPY FROM STDIN."""
        outcome = Outcome()
        self._send(b"Q", text.encode() + b"\0")
        self._until_ready(outcome, data)
        return outcome

    def _until_ready(self, outcome, data=None):
        while True:
            kind, body = self._message()
            if kind == b"Z":
                return
            if kind == b"T":
                outcome.columns = list(columns_of(body))
                outcome.rows = []
            elif kind == b"D":
                outcome.rows.append(row_of(body))
            elif kind == b"C":
                outcome.tag = body[:-1].decode()
            elif kind == b"E" and not outcome.is_error():
                outcome.fields = dict(fields_of(body))
                outcome.state = outcome.fields["C"]
                outcome.message = outcome.fields["M"]
            elif kind == b"G":
                outcome.wants_data = True
                if data is not None:
                    self._send(b"d", data)
                self._send(b"c", b"") if data is not None else self._send(b"f", b"no data\0")
            elif kind == b"d":
                outcome.copied.append(body)


def columns_of(body):
    count, place = struct.unpack_from("!h", body)[0], 2
    for _ in range(count):
        end = body.index(b"\0", place)
        name = body[place:end].decode()
        oid = struct.unpack_from("!i", body, end + 7)[0]
        place = end + 19
        yield name, oid


def row_of(body):
    count, place = struct.unpack_from("!h", body)[0], 2
    row = []
    for _ in range(count):
        length = struct.unpack_from("!i", body, place)[0]
        place += 4
        if length < 0:
            row.append(None)
        else:
            row.append(body[place : place + length].decode("utf8", "replace"))
            place += length
    return tuple(row)


def fields_of(body):
    for field in body.split(b"\0"):
        if field:
            yield chr(field[0]), field[1:].decode("utf8", "replace")
