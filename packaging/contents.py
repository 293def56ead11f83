"""What goes into the bundle, what stays out, and what is taken out again after the build."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from project import ROOT, read_project

IMPORT_NAMES: dict[str, tuple[str, ...]] = {
    "torch": ("torch", "torchgen", "functorch"),
    "numpy": ("numpy",),
    "scipy": ("scipy",),
    "faiss-cpu": ("faiss",),
    "PySide6-Essentials": ("PySide6", "shiboken6"),
    "sounddevice": ("_sounddevice_data",),
    "soundfile": ("_soundfile_data",),
    "platformdirs": ("platformdirs",),
    "soxr": ("soxr",),
    "av": (),  # x264 and x265 in its wheels are GPL: macOS decodes in its place
    "safetensors": ("safetensors",),
    "pillow": ("PIL",),
    "urllib3": ("urllib3",),
    "truststore": ("truststore",),
    "filelock": ("filelock",),
    "pip": ("pip",),
    "msgspec": ("msgspec",),
    "pyobjc-core": ("objc", "PyObjCTools"),
    "pyobjc-framework-Cocoa": ("Foundation", "AppKit", "CoreFoundation"),
    "pyobjc-framework-CoreML": ("CoreML",),
    "pyobjc-framework-UserNotifications": ("UserNotifications",),
}
"""Packages of each dependency that go in whole, as folders: native libraries cannot be loaded
from the zip in which py2app puts everything else."""

LEFT_OUT = frozenset({"av", "setuptools"})
"""Packages that are installed for the app but do not go into the bundle."""

OWN_PACKAGES = ("engine", "desktop")

EXCLUDED = (
    "av",
    *("tests", "tkinter", "_tkinter", "turtle", "idlelib", "lib2to3", "test"),
    *("PyObjCTest", "pytest", "_pytest", "hypothesis", "xdist", "pytestqt", "execnet"),
    *("transformers", "tokenizers", "librosa", "numba", "llvmlite", "sklearn", "pooch"),
    *("IPython", "matplotlib", "pandas", "triton", "tensorboard", "onnx", "onnxscript"),
    *("setuptools", "pkg_resources", "_distutils_hack", "wheel"),
    *("mypy", "ruff", "importlinter", "grimp", "ensurepip", "py2app", "macholib"),
)
"""Never in the bundle: development tools, and libraries under the GPL. numpy.f2py is not excluded:
scipy.signal needs it."""

_UNUSED_PLUGINS = (
    *("sqldrivers", "designer", "qmltooling", "qmllint", "vectorimageformats"),
    "platforminputcontexts",
)
_UNUSED_QT = (
    *("Concurrent", "Designer", "Help", "Labs", "Lottie", "OpenGL", "PrintSupport", "Qml"),
    *("Quick", "Sql", "SvgWidgets", "Test", "UiTools", "Xml"),
)
"""Modules of Qt, without their first two letters. `mach_o.py` reports one that is needed."""

_TORCH_TESTS = (
    *("distributed", "generated", "opinfo", "data", "test_module", "common_methods_invocations.py"),
    *("common_modules.py", "common_nn.py", "common_quantization.py", "common_distributed.py"),
)
"""Only torch's own tests import these; other files beside them are imported by torch itself."""

_UNUSED_PILLOW = ("avif", "imagingtk")

DELETED = (
    "engine/audio/container_decoder.py",  # needs PyAV
    "engine/audio/remux.py",  # the same
    "PySide6/Qt/qml",
    *(f"PySide6/Qt/plugins/{name}" for name in _UNUSED_PLUGINS),
    "PySide6/Qt/plugins/imageformats/*qpdf*",
    "PySide6/Qt/metatypes",
    *(f"PySide6/Qt{name}*" for name in _UNUSED_QT),
    *(f"PySide6/Qt/lib/Qt{name}*.framework" for name in _UNUSED_QT),
    "PySide6/Qt/libexec",
    "PySide6/*.app",
    "PySide6/lupdate*",
    "PySide6/lrelease*",
    "PySide6/lconvert*",
    "PySide6/linguist*",
    "PySide6/qml*",
    "PySide6/svgtoqml*",
    "PySide6/balsam*",
    "PySide6/include",
    "PySide6/doc",
    "PySide6/glue",
    "PySide6/typesystems",
    "PySide6/scripts",
    "PySide6/support/generate_pyi*",
    "PySide6/libpyside6qml*",
    "PySide6/**/*.pyi",
    "shiboken6/**/*.pyi",
    "shiboken6/include",
    "torch/include",
    "torch/share",
    "torch/test",
    *(f"torch/testing/_internal/{name}" for name in _TORCH_TESTS),
    "torch/bin/protoc*",
    "torch/bin/test*",
    "torch/lib/*.a",
    "torch/**/*.pyi",
    "torch/**/*.h",
    "numpy/_core/include",
    "scipy/**/*.pyi",
    "scipy/**/*.pxd",
    "numpy/**/*.pyi",
    "numpy/**/*.pxd",
    "faiss/contrib",
    "pip/_vendor/distlib/*.exe",
    *(f"PIL/_{name}*" for name in _UNUSED_PILLOW),
    "PIL/.dylibs/libavif*",
    "PIL/**/*.pyi",
    "PyObjCTest",
    "**/*.dSYM",
    "**/tests",
    "**/conftest.py",
    "**/__pycache__",
)
"""Patterns inside `Contents/Resources/lib/python3.x`; one that matches nothing is allowed,
because the packages differ between systems. Caches are written again for their final place."""

NOT_ARCHIVED = frozenset({"__pycache__", "tests", "_examples"})
"""Folders that `bundle.py` removes from the zip, too."""

LICENCES = "resources/licences/acknowledgements.json"
"""Beside the packages; what the app shows as Acknowledgements."""

_RESOURCES = ("icons", "licences", "mlx", "pitch", "self_test", "starter", "translations")
_LOCALIZED = ROOT / "resources" / "bundle"
"""What macOS itself says of the app, a folder for each language."""

_NOT_SHIPPED = frozenset({".ts", ".py", ".sh"})


def packages() -> list[str]:
    """Whole packages for py2app; those that this system's wheels do not have are left out."""
    names = [name for each in read_project().distributions for name in IMPORT_NAMES[each]]
    return [*OWN_PACKAGES, *(name for name in names if find_spec(name) is not None)]


def library_folder() -> str:
    """Where packages lie, seen from `Contents/Resources`."""
    return f"lib/python{sys.version_info.major}.{sys.version_info.minor}"


def data_files() -> list[tuple[str, list[str]]]:
    """Folders in `Contents/Resources` with their files.

    Resources lie beside the packages, where the code looks for them; texts of `Info.plist` in
    other languages at the top, where macOS does.
    """
    found: dict[str, list[str]] = {}
    for name in _RESOURCES:
        for path in sorted((ROOT / "resources" / name).rglob("*")):
            if path.is_file() and is_shipped(path):
                folder = path.parent.relative_to(ROOT)
                found.setdefault(f"{library_folder()}/{folder}", []).append(str(path))
    for path in sorted(_LOCALIZED.glob("*.lproj/*.strings")):
        found.setdefault(path.parent.name, []).append(str(path))
    found[library_folder()] = [str(ROOT / "LICENSE")]
    return sorted(found.items())


def is_shipped(path: Path) -> bool:
    """Whether a file of `resources` belongs in the bundle: no recipe, no text to be compiled."""
    return path.suffix not in _NOT_SHIPPED and "recipe" not in path.parts
