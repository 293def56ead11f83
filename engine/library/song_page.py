"""Links that lead to songs and videos of a streaming service, not to a file or a voice."""

from __future__ import annotations

from urllib.parse import urlsplit

from engine.errors import Refusal, Text

_SERVICES = {
    "youtube.com": "YouTube",
    "youtu.be": "YouTube",
    "youtube-nocookie.com": "YouTube",
    "spotify.com": "Spotify",
    "spotify.link": "Spotify",
    "music.apple.com": "Apple Music",
    "itunes.apple.com": "Apple Music",
    "bandcamp.com": "Bandcamp",
    "soundcloud.com": "SoundCloud",
    "deezer.com": "Deezer",
    "tidal.com": "TIDAL",
    "music.amazon.com": "Amazon Music",
    "kkbox.com": "KKBOX",
    "music.163.com": "NetEase Cloud Music",
    "y.qq.com": "QQ Music",
    "bilibili.com": "Bilibili",
    "b23.tv": "Bilibili",
    "nicovideo.jp": "Niconico",
    "tiktok.com": "TikTok",
    "douyin.com": "Douyin",
    "instagram.com": "Instagram",
    "facebook.com": "Facebook",
    "x.com": "X",
    "twitter.com": "X",
    "twitch.tv": "Twitch",
    "vimeo.com": "Vimeo",
    "dailymotion.com": "Dailymotion",
    "audiomack.com": "Audiomack",
    "mixcloud.com": "Mixcloud",
    "smule.com": "Smule",
}

_LONGEST_LINK = 2000


def song_service(link: str) -> str | None:
    """The service to which a link leads, e.g. ``YouTube``; None for any other text.

    Parameters
    ----------
    link : with or without ``https://``; ``spotify:track:…`` too
    """
    link = link.strip()[:_LONGEST_LINK]
    if link.lower().startswith("spotify:"):
        return "Spotify"
    try:
        host = urlsplit(link if "://" in link else f"https://{link}").hostname or ""
    except ValueError:
        return None
    parts = host.rstrip(".").split(".")
    names = (".".join(parts[first:]) for first in range(len(parts) - 1))
    return next((_SERVICES[name] for name in names if name in _SERVICES), None)


def refuse_songs(link: str) -> None:
    """Refuse a link that leads to a song, without asking its server.

    Raises
    ------
    Refusal : it leads to a streaming service, which has no voices
    """
    service = song_service(link)
    if service is not None:
        raise Refusal(
            Text("it leads to a song or video on {service}, not to a voice", service=service),
            "save the song as a file and open that; for a voice, use the address of its .zip, "
            ".pth or Hugging Face page",
        )
