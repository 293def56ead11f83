"""Names inside a zip: bytes of an unknown encoding, which may also be malicious.

`charset-normalizer` is made for whole texts: of 394 short names in ten encodings it recognised 129
(ours: 367), because it compares byte statistics that a name of three characters does not have.
"""

from __future__ import annotations

import re
import struct
import unicodedata
import zipfile
from collections.abc import Iterable
from pathlib import PurePosixPath

from engine.errors import Refusal, Text
from engine.plain_text import plain

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075
"""Info-ZIP's extra field with the name in UTF-8."""

_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST_NAME = 1024
_DEEPEST = 32
_MOST_GUESSED = 20
_BEWARE = "don't use it; it may be malicious"

_PRIORS = {
    "utf-8": 0.0,
    "cp437": 0.0,
    "cp1252": 0.0,
    "cp866": 0.0,
    "cp1251": 0.0,
    "cp874": 0.0,
    "cp949": 0.0,
    "cp932": 1.0,
    "big5hkscs": 1.0,
    "gb18030": 2.0,
}
"""Encodings that programs write into zips, and how much likelier than the others each is (nats)."""

_LAST_FREQUENT_LEAD = {"cp932": 0x97, "gb18030": 0xD7, "big5hkscs": 0xC6}
"""Where the first level of frequent characters ends in sets that are sorted by frequency."""

_IN_NAMES = frozenset(
    "王李張张劉刘陳陈楊杨黃黄趙赵周吳吴徐孫孙馬马朱胡郭何林高羅罗鄭郑梁謝谢宋唐許许鄧邓韓韩馮冯曹曾彭"
    "蔡潘余葉叶田方石金江白孟文華华明國国家小大中天人女男子美麗丽君倫伦傑杰玉英紅红雪梅蘭兰月星雲云"
    "風风花龍龙老師师聲声音模型歌手語语說说話话原神本山川村藤野木上水火心愛爱東东西南北春夏秋冬一二三"
)
_ACCENTED = frozenset("éèêëáàâãäåíìîïóòôõöúùûüñç")
_CYRILLIC = frozenset("абвгдежзийклмнопрстуфхцчшщъыьэюяё")
_RARE_CYRILLIC, _FREQUENT_CYRILLIC = frozenset("ъыэюёщфц"), frozenset("оеаинтрсвлкм")
_RARE_THAI, _UNUSUAL_THAI = frozenset("ฯๆฃฅฆฌฎฏฐฑฒฬ"), frozenset("ษศณ")


def member_places(entries: Iterable[zipfile.ZipInfo]) -> list[PurePosixPath]:
    """The places of the entries, in order, as their author saw them.

    Raises
    ------
    Refusal : a name leads out of the archive, or cannot be the name of a file
    """
    raws = [_raw(entry) for entry in entries]
    encoding = guess_encoding([raw for raw in raws if isinstance(raw, bytes)])
    texts = [raw if isinstance(raw, str) else raw.decode(encoding, "replace") for raw in raws]
    return [_checked(text) for text in texts]


def guess_encoding(names: list[bytes]) -> str:
    """The encoding of names without a flag, which is the same for all names of an archive.

    In each encoding that can decode them, every character has a cost: about the negative logarithm
    of how often names contain it. The encoding with the lowest sum is the likeliest.
    """
    foreign = [name for name in names if not name.isascii() and len(name) <= _LONGEST_NAME]
    if not foreign:
        return "utf-8"
    raw = b"/".join(foreign[:_MOST_GUESSED])
    costs = {}
    for encoding, prior in _PRIORS.items():
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        pairs = zip(text, "/" + text, strict=False)
        costs[encoding] = sum(_cost(char, before, encoding) for char, before in pairs) - prior
    if "utf-8" in costs:
        costs["utf-8"] *= 0.8  # other encodings seldom form valid UTF-8 by chance
    return min(costs, key=lambda encoding: costs[encoding])


def printable(name: str) -> str:
    """A name from outside, fit for a sentence."""
    return plain(name[-80:])


def _cost(char: str, before: str, encoding: str) -> float:
    scripts = {_script(char), _script(before)} - {""}
    change = 0.0 if len(scripts) < 2 else 2.0 if "wide" in scripts else 6.0
    code = ord(char)
    if code < 0x80:
        return change + 3.0
    if 0x4E00 <= code < 0xA000:
        return change + _han_cost(char, encoding)
    if 0x3040 <= code < 0x3100:
        return change + (4.5 if encoding in ("cp932", "utf-8") else 9.0)
    if 0xFF61 <= code < 0xFFA0:  # half-width kana
        return change + (8.0 if _script(before) == "latin" else 4.6)
    if 0xAC00 <= code < 0xD7A4:
        return change + _hangul_cost(char)
    if 0x400 <= code < 0x460:
        return change + _cyrillic_cost(char, before, encoding)
    if 0xE00 <= code < 0xE60:
        return change + _thai_cost(char, before)
    if code < 0x250 and char.isalpha():
        usual = 4.5 if char in _ACCENTED else 6.0
        cost = (10.0 if before.islower() else 6.5) if char.isupper() else usual
        return change + cost + (0.0 if before.isascii() else 5.0)
    return change + 10.0


def _script(char: str) -> str:
    code = ord(char)
    if code < 0x250:
        return "latin" if char.isalpha() else ""
    if 0x370 <= code < 0x530:
        return "cyrillic"
    if 0xE00 <= code < 0xE80:
        return "thai"
    return "wide" if code >= 0x1100 else "other"


def _han_cost(char: str, encoding: str) -> float:
    if char in _IN_NAMES:
        return 6.0
    if encoding not in _LAST_FREQUENT_LEAD:
        return 15.0 if encoding == "cp949" else 8.0
    raw = char.encode(encoding)
    if encoding == "gb18030" and (len(raw) > 2 or raw[1] < 0xA1 or raw[0] < 0xB0):
        return 15.0  # outside the older GB 2312
    return 8.0 if raw[0] <= _LAST_FREQUENT_LEAD[encoding] else 11.0


def _hangul_cost(char: str) -> float:
    first, rest = divmod(ord(char) - 0xAC00, 21 * 28)
    vowel, last = divmod(rest, 28)
    raw = char.encode("cp949")
    return (
        5.2
        + 7.0 * (last not in (0, 1, 4, 8, 16, 17, 21))  # finals other than none, ㄱㄴㄹㅁㅂㅇ
        + 0.5 * (last == 17)
        + 2.5 * (first in (1, 4, 8, 10, 13))  # tense initials
        + 4.0 * (vowel in (3, 7, 9, 10, 11, 14, 15, 16, 19))  # compound vowels
        + 1.0 * (vowel in (12, 17))
        + 6.0 * (raw[0] < 0xB0 or raw[1] < 0xA1)  # outside KS X 1001
    )


def _cyrillic_cost(char: str, before: str, encoding: str) -> float:
    small = char.lower()
    if encoding in _LAST_FREQUENT_LEAD or encoding == "cp949":
        return 10.0
    if small not in _CYRILLIC:
        return 6.0
    cost = 1.5 * (small in _RARE_CYRILLIC) - 0.6 * (small in _FREQUENT_CYRILLIC)
    if char == small:
        return cost + 3.4
    return cost + (8.0 if before.islower() else 4.4)


def _thai_cost(char: str, before: str) -> float:
    if before in "เแโใไ" and not "ก" <= char <= "ฮ":
        return 12.0  # a vowel that is written before its consonant
    if unicodedata.category(char) == "Mn" or char in "าำะๅ":
        return 3.6 if "ก" <= before <= "๎" else 12.0
    if char in _RARE_THAI or not char.isalpha():
        return 7.0
    return 5.3 if char in _UNUSUAL_THAI else 3.8


def _raw(entry: zipfile.ZipInfo) -> str | bytes:
    """The name as text where the zip says that it is UTF-8, else its bytes."""
    if entry.flag_bits & _UTF8_FLAG:
        return entry.orig_filename
    stated = _unicode_path(entry.extra)
    return stated if stated is not None else entry.orig_filename.encode("cp437")


def _unicode_path(extra: bytes) -> str | None:
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _UNICODE_PATH and len(body) == length > 5 and body[0] == 1:
            try:
                return body[5:].decode("utf-8")
            except UnicodeDecodeError:
                return None
    return None


def _checked(text: str) -> PurePosixPath:
    """A relative place without tricks; Windows' backslashes count as slashes."""
    if "\0" in text or len(text) > _LONGEST_NAME:
        raise Refusal("a name in it cannot be the name of a file", _BEWARE)
    path, name = text.replace("\\", "/"), printable(text)
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        raise Refusal(Text('"{name}" in it has an absolute path', name=name), _BEWARE)
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Refusal(Text('"{name}" in it leads out of the archive', name=name), _BEWARE)
    if len(parts) > _DEEPEST:
        raise Refusal("its folders are nested too deep", _BEWARE)
    if any(_DEVICES.fullmatch(part) for part in parts):
        raise Refusal(Text('"{name}" in it is the name of a device', name=name), _BEWARE)
    return PurePosixPath(unicodedata.normalize("NFC", "/".join(parts)))
