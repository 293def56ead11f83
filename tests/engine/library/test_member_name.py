"""Names in a zip are decoded as their author saw them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Refusal
from engine.library.member_name import guess_encoding, member_places
from tests.engine.loading.zoo import entry

NAMES = {
    "cp932": (
        "初音ミク|added_IVF512_Flat_nprobe_1_初音ミク_v2|鏡音リン/リン|ずんだもん|"
        "四国めたん_e300|サムネイル|星街すいせい|宝鐘マリン/モデル|東北きりたん|ソ連|"
        "表示|ｶﾞｯｸﾎﾟｲﾄﾞ|猫又おかゆ|桜ミコ_e40|桜ミコ|美空ひばり|米津玄師|"
        "宇多田ヒカル/声|ボイスモデル|結月ゆかり|竹内まりや|琴葉茜|春日部つむぎ|藤井風|"
        "安室奈美恵|椎名林檎|中島みゆき|松任谷由実|尾崎豊|福山雅治|桑田佳祐|米津|"
        "幾田りら|兎田ぺこら|湊あくあ|白上フブキ|大神ミオ|紫咲シオン|潤羽るしあ|"
        "音街ウナ|重音テト|弦巻マキ|小春六花|夏色花梨|男性|女性|声優|悟空|孫悟空|五条悟|"
        "竈門炭治郎"
    ),
    "gb18030": (
        "周杰伦|邓丽君_e200|邓丽君|孙燕姿模型/孙燕姿|王菲|洛天依|封面|陈奕迅|"
        "雷军/雷军_v2|派蒙|神里绫华|张学友|说明|薛之谦|李荣浩_e120|张国荣/张国荣|胡桃|"
        "丁真|郭德纲|赵本山|毛不易|刘德华|女声模型|甜美女声|蔡徐坤|刻晴|三月七|克莱因|"
        "章若楠|王力宏|那英|田震|韩红|汪峰|朴树|许巍|窦唯|崔健|齐秦|费玉清|凤凰传奇|"
        "刀郎|李健|张碧晨|华晨宇|吴青峰|黄霄云|单依纯|郁可唯|甘雨|钟离|可莉|温迪|"
        "雷电将军|纳西妲|芙宁娜|流萤|阿米娅|小新|懒羊羊|熊二|蜡笔小新|海绵宝宝|孙悟空|"
        "猪八戒|男声|御姐|萝莉|少女音|播音|旁白"
    ),
    "big5hkscs": (
        "周杰倫|鄧麗君|張惠妹_e100|林俊傑模型/聲音|陳奕迅|蔡依林|封面|孫燕姿|五月天阿信|"
        "張學友|王菲|田馥甄|周華健_v2|周華健|梁靜茹|女聲模型|劉德華|蕭敬騰|伍佰|鄧紫棋|"
        "蔡琴|費玉清|周深|林憶蓮|張清芳|庾澄慶|齊豫|羅大佑|李宗盛|陳綺貞|徐佳瑩|盧廣仲|"
        "林宥嘉|楊丞琳|動力火車|告五人|茄子蛋|盧凱彤|張國榮|梅艷芳|容祖兒|謝霆鋒|播音員|"
        "旁白|女生|少女聲"
    ),
    "cp949": (
        "아이유|태연_e500|태연|뉴진스 하니/하니|김광석|정국|로제|표지|박효신 모델|"
        "카리나|지민|수지_e300|블랙핑크 지수|윤석열|임영웅|나연|슈가|여자 목소리|"
        "이승철/이승철|장윤정|침착맨|웬디|김연아|손흥민|유재석|강호동|박명수|이선희|"
        "나훈아|조용필|백예린|잔나비|폴킴|볼빨간사춘기|헤이즈|악뮤|이찬혁|오마이걸|"
        "트와이스|사나|모모|쯔위|르세라핌|사쿠라|에스파|윈터|닝닝|지젤|아이브|장원영|"
        "안유진|릴파|주르르|비챤|고세구|징버거|아이네|우왁굳|뢴트게늄|노무현|최불암|"
        "성우|남자|여자"
    ),
    "cp866": (
        "Виктор Цой|Алла Пугачёва/голос|Земфира|обложка|Левитан|модель|Король и Шут|"
        "Владимир Высоцкий|высоцкий|Шуфутинский|голос|Путин|Монеточка_e200|Жанна|Олег|"
        "Агузарова|Кипелов|Горшок|Пикуль|Шнуров|Лепс|Анекдот|Диктор|Щербаков|Ёлка|Юля|"
        "ЦОЙ|ЛЕТОВ|Фёдор|Хованский|Мария|Озвучка"
    ),
    "cp1251": (
        "Виктор Цой|Алла Пугачёва/голос|Земфира|обложка|Левитан|модель|Король и Шут|"
        "Владимир Высоцкий|высоцкий|Шуфутинский|голос|Путин|Монеточка_e200|Жанна|Олег|"
        "Агузарова|Кипелов|Горшок|Пикуль|Шнуров|Лепс|Анекдот|Диктор|Щербаков|Ёлка|Юля|"
        "ЦОЙ|ЛЕТОВ|Фёдор|Хованский|Мария|Озвучка"
    ),
    "cp1252": (
        "Beyoncé|Céline Dion|Céline|Mädchen|Édith Piaf/modèle|João Gilberto|Ñengo Flow|"
        "Björk|Rosalía|Stromaé|José José|Michael Bublé|Françoise Hardy|Jürgen Drews|"
        "Mónica Naranjo|Håkan|Maná|modèle français/voix|Niña|Ångström|Éluveitie|Zoé|São|"
        "Müller|Großmann|Señor|Benoît|Hélène|Noël|Garçon|Tiësto|Mötley|Zaïde|Açaí|À|"
        "Œuvre|Øyvind"
    ),
    "cp437": (
        "Beyoncé|Céline Dion|Céline|Mädchen|modèle|Björk|Rosalía|Stromaé|José José|"
        "Michael Bublé|Françoise Hardy|Jürgen Drews|Mónica Naranjo|Håkan|Maná|Niña|"
        "modèle français/voix|Zoé|Müller|Großmann|Señor|Benoît|Hélène|Noël|Garçon|"
        "Tiësto|Mötley|Zaïde"
    ),
    "cp874": (
        "ลิซ่า|เบิร์ด ธงไชย|ปก|เสียงผู้หญิง|พี่ตูน บอดี้สแลม/โมเดล|แบมแบม|ปาล์มมี่|"
        "โมเดลเสียง|สุนทรภู่_e100|ตั๊กแตน ชลดา|มิลลิ|ก้อง|สายัณห์|พุ่มพวง|ไอซ์|แพรวา|"
        "โบกี้|ต่าย|เจมส์|ณเดชน์|ญาญ่า|ธนพร|ภูมิ|ศรราม|ผู้ชาย|ผู้หญิง"
    ),
    "utf-8": ("周杰倫|Beyoncé|아이유|ลิซ่า|Цой|Beyoncé|ガ゙"),
}

AMBIGUOUS = (
    "表示|竈門炭治郎|封面|克莱因|齐秦|凤凰传奇|可莉|海绵宝宝|齊豫|웬디|쯔위|윈터|우왁굳|Ёлка|ЦОЙ|ЛЕТОВ|"
    "Ñengo Flow|Éluveitie|À|Œuvre|Øyvind|Großmann|ปก|ต่าย|ณเดชน์|ธนพร|ภูมิ"
)
"""Too short or too rare to be recognised when they are alone in an archive: 27 of 394."""


@pytest.mark.parametrize("encoding", NAMES)
def test_the_encoding_of_a_single_name_is_recognised(encoding: str) -> None:
    wrong = set()
    for name in NAMES[encoding].split("|"):
        raw = f"{name}.pth".encode(encoding)
        if raw.decode(guess_encoding([raw]), "replace") != f"{name}.pth":
            wrong.add(name)
    assert wrong <= set(AMBIGUOUS.split("|"))


@pytest.mark.parametrize("encoding", NAMES)
def test_names_of_one_archive_are_recognised_together(encoding: str) -> None:
    ambiguous = AMBIGUOUS.split("|")
    names = [f"{name}.pth" for name in NAMES[encoding].split("|") if name not in ambiguous]
    for start in range(len(names) - 2):
        some = [name.encode(encoding) for name in names[start : start + 3]]
        guess = guess_encoding([b"readme.txt", *some])
        decoded = [raw.decode(guess, "replace") for raw in some]
        assert decoded == names[start : start + 3], guess


def test_plain_and_decomposed_names_stay_what_they_are() -> None:
    assert guess_encoding([b"aria.pth"]) == guess_encoding([]) == "utf-8"
    info = entry("?.pth")
    info.orig_filename = "Beyonce\u0301.pth".encode().decode("cp437")
    assert [str(place) for place in member_places([info])] == ["Beyonc\u00e9.pth"]


@given(st.lists(st.binary(max_size=40), max_size=30))
def test_any_bytes_get_an_encoding_that_can_be_used(names: list[bytes]) -> None:
    encoding = guess_encoding(names)
    for name in names:
        name.decode(encoding, "replace")


@given(st.text(min_size=1, max_size=60))
def test_no_name_of_an_archive_leads_out_of_it(text: str) -> None:
    info = entry("x")
    info.orig_filename, info.flag_bits = text, 0x800
    try:
        (place,) = member_places([info])
    except Refusal:
        return
    assert not place.is_absolute()
    assert ".." not in place.parts
    assert all("/" not in part and "\0" not in part for part in place.parts)


def test_a_stated_unicode_name_wins(tmp_path: object) -> None:
    info = entry("?.pth")
    stated = "声.pth".encode()
    info.extra = struct.pack("<HHBI", 0x7075, 5 + len(stated), 1, 0) + stated
    assert [str(place) for place in member_places([info])] == ["声.pth"]
    info.extra = info.extra[:-3]
    assert [str(place) for place in member_places([info])] == ["?.pth"]
