"""What a row of the table of networks holds; the table is in `engine.library.networks`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

OFFICIAL_HUB = "https://huggingface.co"
UNKNOWN_LICENCE = "not known"


@dataclass(frozen=True)
class NetworkFile:
    """One file of a network.

    Attributes
    ----------
    relative_path : below the models folder, with ``/``
    about_bytes : length to show before a download
    size_bytes : exact length; None where only ``about_bytes`` is known
    sha256 : of the right file; None where several are right, and the loader checks the content
    url_path : below the address of the hub; None for a file that the user has to bring
    """

    relative_path: str
    about_bytes: int = 0
    size_bytes: int | None = None
    sha256: str | None = None
    url_path: str | None = None

    def path(self, folder: Path) -> Path:
        """Where the file belongs in the models folder."""
        return folder / self.relative_path

    @property
    def name(self) -> str:
        """Its file name."""
        return self.relative_path.rpartition("/")[2]

    def has_content(self, folder: Path) -> bool:
        """Whether there is a file that is not empty."""
        try:
            return self.path(folder).is_file() and self.path(folder).stat().st_size > 0
        except OSError:
            return False

    def is_installed(self, folder: Path) -> bool:
        """Whether there is a file of the right length; reads no content."""
        return self.has_content(folder) and self.size_bytes in {
            None,
            self.path(folder).stat().st_size,
        }


@dataclass(frozen=True)
class Network:
    """A network that several voices share.

    Attributes
    ----------
    key : its name on the command line
    title, purpose : for users
    licence, source_page : of the weights; the licence may be `UNKNOWN_LICENCE`
    variants : sets of files, each of which is the whole network; the first one is downloaded.
        Small files come first, so that a wrong address is noticed early
    licence_first : the user must have read the licence before the download
    usual : every community voice needs it, so it belongs to a download of "all"
    """

    key: str
    title: str
    purpose: str
    licence: str
    source_page: str
    variants: tuple[tuple[NetworkFile, ...], ...]
    licence_first: bool = False
    usual: bool = True

    @property
    def every_file(self) -> tuple[NetworkFile, ...]:
        """The files of all variants; some are in several."""
        return tuple(chain.from_iterable(self.variants))

    @property
    def can_be_downloaded(self) -> bool:
        """Whether all files have an address; else the user has to bring them."""
        return all(file.url_path is not None for file in self.variants[0])

    @property
    def about_bytes(self) -> int:
        """Size to show before a download."""
        return sum(file.about_bytes for file in self.variants[0])

    @property
    def weights(self) -> NetworkFile:
        """The largest of the files that are downloaded."""
        return self.variants[0][-1]

    def files_in(self, folder: Path) -> tuple[NetworkFile, ...]:
        """The variant that is in the models folder, else the one to download."""
        right = (v for v in self.variants if all(file.is_installed(folder) for file in v))
        found = (v for v in self.variants if all(file.has_content(folder) for file in v))
        return next(chain(right, found), self.variants[0])

    def missing(self, folder: Path) -> tuple[NetworkFile, ...]:
        """The files that are absent or of another length; reads no content."""
        return tuple(file for file in self.files_in(folder) if not file.is_installed(folder))
