"""ID3 tags of MP3, AIFF and WAV files; see id3.org (2.2, 2.3 and 2.4 are read, 2.4 is written)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.audio.tags.tag import FIELDS, MOST_BYTES, Picture, Tags

HEADER_BYTES = 10
OLD_TAG_BYTES = 128
"""An ID3 1 tag at the end of a file."""

_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_UTF8 = b"\x03"
_NAMES = {key: each.name for each in FIELDS for key in (each.id3, each.id3_short)} | {
    "TYER": "DATE",
}
_WITH_LANGUAGE = frozenset({"COMM", "COM", "USLT", "ULT"})
_GENRE_NUMBER = re.compile(r"\((\d+)\)|(\d+)")
_GENRES = (
    "Blues", "Classic Rock", "Country", "Dance", "Disco", "Funk", "Grunge", "Hip-Hop", "Jazz",
    "Metal", "New Age", "Oldies", "Other", "Pop", "R&B", "Rap", "Reggae", "Rock", "Techno",
    "Industrial", "Alternative", "Ska", "Death Metal", "Pranks", "Soundtrack", "Euro-Techno",
    "Ambient", "Trip-Hop", "Vocal", "Jazz+Funk", "Fusion", "Trance", "Classical", "Instrumental",
    "Acid", "House", "Game", "Sound Clip", "Gospel", "Noise", "Alternative Rock", "Bass", "Soul",
    "Punk", "Space", "Meditative", "Instrumental Pop", "Instrumental Rock", "Ethnic", "Gothic",
    "Darkwave", "Techno-Industrial", "Electronic", "Pop-Folk", "Eurodance", "Dream",
    "Southern Rock", "Comedy", "Cult", "Gangsta", "Top 40", "Christian Rap", "Pop/Funk", "Jungle",
    "Native US", "Cabaret", "New Wave", "Psychedelic", "Rave", "Showtunes", "Trailer", "Lo-Fi",
    "Tribal", "Acid Punk", "Acid Jazz", "Polka", "Retro", "Musical", "Rock & Roll", "Hard Rock",
)  # fmt: skip


def tag_bytes(head: bytes) -> int:
    """Size of the tag that begins with these bytes, header and footer included; 0 if none does."""
    if len(head) < HEADER_BYTES or head[:3] != b"ID3" or head[3] > 4:
        return 0
    return HEADER_BYTES + _unpacked(head[6:10]) + (10 if head[5] & 0x10 else 0)


def parse(tag: bytes) -> Tags:
    """What a whole tag says; frames that make no sense are left out."""
    size = tag_bytes(tag)
    if not size or size > MOST_BYTES:
        return Tags()
    version, flags = tag[3], tag[5]
    body = tag[HEADER_BYTES : HEADER_BYTES + _unpacked(tag[6:10])]
    if flags & 0x80 and version < 4:
        body = body.replace(b"\xff\x00", b"\xff")
    if flags & 0x40 and version > 2:  # an extended header; 2.3 does not count its own size
        length = int.from_bytes(body[:4]) + 4 if version == 3 else _unpacked(body[:4])
        body = body[length:]
    values: list[tuple[str, str]] = []
    pictures: list[Picture] = []
    for name, content in _frames(body, version):
        if name in ("APIC", "PIC"):
            picture = _picture(content, short=name == "PIC")
            pictures += [] if picture is None else [picture]
        elif name in _WITH_LANGUAGE:
            parts = _text(content[:1] + content[4:]).split("\0", 1)
            if len(parts) == 2 and not parts[0]:  # described ones are programs' own notes
                values.append((_NAMES[name], parts[1]))
        elif name in _NAMES:
            texts = _text(content).split("\0")
            texts = list(map(_genre, texts)) if name in ("TCON", "TCO") else texts
            values += [(_NAMES[name], text) for text in texts]
    return Tags.of(values, pictures)


def parse_old(tag: bytes) -> Tags:
    """What an ID3 1 tag says."""
    if len(tag) != OLD_TAG_BYTES or tag[:3] != b"TAG":
        return Tags()
    places = (("TITLE", 3, 33), ("ARTIST", 33, 63), ("ALBUM", 63, 93), ("DATE", 93, 97))
    values = [(name, _plain(tag[start:stop].split(b"\0")[0])) for name, start, stop in places]
    if not tag[125] and tag[126]:
        values.append(("TRACKNUMBER", str(tag[126])))
    if tag[127] < len(_GENRES):
        values.append(("GENRE", _GENRES[tag[127]]))
    return Tags.of(values)


def make(tags: Tags) -> bytes:
    """A tag of version 2.4 in UTF-8."""
    frames = []
    for row in FIELDS:
        values = tags.texts.get(row.name, ())
        if not values:
            continue
        if row.id3 in _WITH_LANGUAGE:
            text = "\n".join(values).encode("utf-8", "replace")
            frames.append(_frame(row.id3, _UTF8 + b"und\0" + text))
        else:
            frames.append(_frame(row.id3, _UTF8 + "\0".join(values).encode("utf-8", "replace")))
    for picture in tags.pictures:
        head = picture.mime.encode() + b"\0" + bytes([picture.kind & 0xFF])
        described = picture.description.replace("\0", "").encode("utf-8", "replace") + b"\0"
        frames.append(_frame("APIC", _UTF8 + head + described + picture.data))
    body = b"".join(frames)
    return b"ID3\x04\x00\x00" + _packed(len(body)) + body


def _frame(name: str, content: bytes) -> bytes:
    return name.encode() + _packed(len(content)) + b"\0\0" + content


def _frames(body: bytes, version: int) -> Iterator[tuple[str, bytes]]:
    n_name, n_head = (3, 6) if version == 2 else (4, 10)
    at = 0
    while at + n_head <= len(body) and body[at]:
        name = body[at : at + n_name].decode("latin-1")
        sized = body[at + n_name : at + 2 * n_name]
        size = _unpacked(sized) if version == 4 else int.from_bytes(sized)
        if version == 4 and not _ends_well(body, at + n_head + size):
            plain = int.from_bytes(sized)  # old programs wrote sizes as in 2.3
            size = plain if _ends_well(body, at + n_head + plain) else size
        content = body[at + n_head : at + n_head + size]
        flags = body[at + 9] if version > 2 else 0
        at += n_head + size
        packed = flags & (0x0C if version == 4 else 0xC0)  # compressed or encrypted
        if len(content) < size or packed or not name.isalnum():
            continue
        if version == 4:
            content = content[4:] if flags & 0x01 else content
            content = content.replace(b"\xff\x00", b"\xff") if flags & 0x02 else content
        if len(content) > 1:
            yield name, content


def _ends_well(body: bytes, at: int) -> bool:
    """Whether a frame that ends there is followed by another, by padding or by nothing."""
    following = body[at : at + 4]
    return at <= len(body) and (not following.strip(b"\0") or following.isalnum())


def _picture(content: bytes, *, short: bool) -> Picture | None:
    mime_end = 4 if short else content.find(b"\0", 1) + 1
    if not 0 < mime_end < len(content):
        return None
    wide = content[0] in (1, 2)
    at = mime_end + 1
    end = at
    while content[end : end + 1 + wide] not in (b"\0" * (1 + wide), b"", b"\0"):
        end += 1 + wide
    described = _text(content[:1] + content[at:end]) if end > at else ""
    return Picture(content[end + 1 + wide :], content[mime_end], described.strip("\0"))


def _text(content: bytes) -> str:
    """A text, its encoding before it."""
    encoding = content[0]
    if encoding in (0, 3):
        return _plain(content[1:])
    if encoding >= len(_ENCODINGS):
        return ""
    body = content[1 : len(content) - (len(content) - 1) % 2]
    if encoding == 1:  # each of several texts may have a mark of its own
        body = body if body[:2] in (b"\xff\xfe", b"\xfe\xff") else b"\xff\xfe" + body
    return body.decode(_ENCODINGS[encoding], "replace").replace("\ufeff", "")


def _plain(content: bytes) -> str:
    """UTF-8 where it is that: programs write it as Latin-1, too."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _genre(text: str) -> str:
    """The name of a numbered genre, e.g. of ``(17)``, and any other text as it is."""
    match = _GENRE_NUMBER.fullmatch(text.strip())
    number = int(match[1] or match[2]) if match else len(_GENRES)
    return _GENRES[number] if number < len(_GENRES) else text


def _unpacked(four: bytes) -> int:
    """A number of four times seven bits."""
    return sum((byte & 0x7F) << shift for byte, shift in zip(four, (21, 14, 7, 0), strict=False))


def _packed(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
