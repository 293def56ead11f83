"""The sounds that the content encoder learns to tell apart, and how the synthesisers spell them."""

from __future__ import annotations

CLASSES = tuple(
    "sil aa ae ah ao aw ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw"
    " v w y z zh".split()
)
"""ARPAbet without stress, and silence."""

INDEX = {name: index for index, name in enumerate(CLASSES)}

VOWELS = frozenset(INDEX[name] for name in CLASSES if name[0] in "aeiou")

FIRST_OF_TWO = 0.6
"""Share of a phoneme's time that its first half gets, where one symbol means two sounds."""

_FLITE = dict(
    pair.split(":")
    for pair in (
        "pau:sil ax:ah axr:er ix:ih el:l em:m en:n dx:d hv:hh nx:n ssil:sil brth:sil h#:sil"
    ).split()
)
_GLUE = ";"
_ESPEAK = dict(
    pair.split("~")
    for pair in (
        "n~n t~t d~d s~s I~ih r~r l~l D~dh k~k _:~sil _~sil p~p z~z m~m @~ah a~ae b~b oU~ow V~ah"
        " @2~ah E~eh eI~ey f~f a#~ah v~v u:~uw 3~er 0~aa w~w I2~ih dZ~jh i~iy N~ng aI~ay i:~iy"
        " h~hh g~g tS~ch j~y T~th 3:~er S~sh @L~ah+l U~uh aU~aw aa~ae I#~ih OI~oy A@~aa+r O@~ao+r"
        " O:~ao t#~d o@~ao+r e@~eh+r O2~ao A:~aa U@~uh+r Z~zh i@3~ih+r i@~ih+r r-~r t[~t aI2~ay"
        " t2~t ?~t n-~n IR~ih+r aI@~ay+er aI3~ay VR~ah+r x~k R~r E2~eh ai~ay o~ow u~uw A~aa"
        " @5~ah w#~w l^~l a2~ae e~eh I3~ih _!~sil _|~sil ||~sil r^~r @r~er EI~ey O~ao"
    ).split()
)
_ESPEAK.update({"A~": "aa", "O~": "ao", "": "sil"})


def flite_class(name: str) -> int:
    """The class of a phone that flite names; unknown ones count as silence."""
    return INDEX.get(_FLITE.get(name, name), 0)


def espeak_classes(mnemonic: str) -> tuple[int, ...] | None:
    """The class or two of an espeak-ng mnemonic; None where it only prolongs the one before."""
    if mnemonic == _GLUE:
        return None
    return tuple(INDEX[name] for name in _ESPEAK.get(mnemonic, "sil").split("+"))
