"""Takes a psql script apart as psql does: statements, COPY's data, and the backslash commands in between."""

import re


class Piece:
    """One statement (`text`, with the data that follows a COPY) or one backslash command."""

    def __init__(self, line, text, is_command):
        self.line = line
        self.text = text
        self.is_command = is_command
        self.data = None


DOLLAR = re.compile(r"\$(?:[A-Za-z_\x80-\uffff][A-Za-z_0-9\x80-\uffff]*)?\$")
COPY_IN = re.compile(r"^\s*copy\b.*\bfrom\s+stdin\b", re.I | re.S)
BEGIN_ATOMIC = re.compile(r"\bbegin\s+atomic\b", re.I)


class Variables(dict):
    """psql's variables, put into statements as :name, :'name' and :"name"."""

    def insert(self, name, quote):
        value = self.get(name)
        if value is None:
            return None
        if quote == "'":
            return "'" + value.replace("'", "''") + "'"
        return '"' + value.replace('"', '""') + '"' if quote == '"' else value


def pieces(source, variables):
    """Yields the pieces of a script. `variables` may change in between: they are inserted on the way."""
    place, line, length = 0, 1, len(source)
    text, start, depth = "", None, 0
    while place < length:
        char = source[place]
        rest = source[place:]
        if char == "\n":
            line += 1
        if source.startswith("--", place):
            end = source.find("\n", place)
            place = length if end < 0 else end
            continue
        if source.startswith("/*", place):
            end = comment_end(source, place)
            comment = source[place:end]
            line += comment.count("\n")
            if text.strip():
                text += comment
            place = end
            continue
        if char in "'\"" :
            escapes = char == "'" and place > 0 and source[place - 1] in "eE" and (place < 2 or not source[place - 2].isalnum())
            end = quoted_end(source, place, char, escapes)
            start = start or line
            text += source[place:end]
            line += source.count("\n", place, end)
            place = end
            continue
        if char == "$" and not (text and (text[-1].isalnum() or text[-1] == "_")):
            match = DOLLAR.match(rest)
            if match:
                tag = match.group()
                end = source.find(tag, place + len(tag))
                end = length if end < 0 else end + len(tag)
                start = start or line
                text += source[place:end]
                line += source.count("\n", place, end)
                place = end
                continue
        if char == ":" and not source.startswith("::", place) and (place == 0 or source[place - 1] != ":"):
            match = re.match(r":(?:\{\?\w+\}|(\w+)|'(\w+)'|\"(\w+)\")", rest)
            if match:
                name = match.group(1) or match.group(2) or match.group(3)
                quote = "'" if match.group(2) else '"' if match.group(3) else ""
                value = variables.insert(name, quote) if name else None
                if value is not None:
                    start = start or line
                    text += value
                    place += match.end()
                    continue
        if char == "\\":
            end = source.find("\n", place)
            end = length if end < 0 else end
            command = source[place:end]
            # What stands before \gset, \gexec and their kin is their statement.
            yield Piece(start or line, text.strip() + "\0" + command, True)
            text, start, depth = "", None, 0
            place = end
            continue
        if char == "(":
            depth += 1
        elif char == ")":
            depth = max(0, depth - 1)
        if char == ";" and depth == 0 and not inside_atomic(text):
            piece = Piece(start or line, text.strip(), False)
            text, start = "", None
            place += 1
            if COPY_IN.match(piece.text):
                newline = source.find("\n", place)
                end = source.find("\n\\.", newline)
                piece.data = source[newline + 1 : end + 1] if end >= newline else ""
                after = source.find("\n", end + 1)
                line += source.count("\n", place, after)
                place = length if after < 0 else after
            if piece.text:
                yield piece
            continue
        if start is None and not char.isspace():
            start = line
        text += char
        place += 1
    if text.strip():
        yield Piece(start or line, text.strip(), False)


def inside_atomic(text):
    """Whether a CREATE FUNCTION … BEGIN ATOMIC has not come to its END yet."""
    if not BEGIN_ATOMIC.search(text):
        return False
    return len(re.findall(r"\b(?:begin|case)\b", text, re.I)) > len(re.findall(r"\bend\b", text, re.I))


def comment_end(source, place):
    depth = 0
    while place < len(source):
        if source.startswith("/*", place):
            depth += 1
            place += 2
        elif source.startswith("*/", place):
            depth -= 1
            place += 2
            if depth == 0:
                return place
        else:
            place += 1
    return place


def quoted_end(source, place, quote, escapes):
    place += 1
    while place < len(source):
        if source[place] == "\\" and escapes:
            place += 2
            continue
        if source[place] == quote:
            if source.startswith(quote, place + 1):
                place += 2
                continue
            return place + 1
        place += 1
    return place
