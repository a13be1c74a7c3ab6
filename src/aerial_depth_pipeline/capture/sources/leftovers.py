"""What lies beside the footage that is taken and is not read: counted, named, with what to do."""

from collections import defaultdict
from pathlib import Path

from aerial_depth_pipeline.capture.sources.source import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from aerial_depth_pipeline.files import files_below, in_natural_order

_RAW = "develop them to JPEG or 16-bit TIFF, or use the JPEGs that the camera wrote beside them"
_PANORAMA = "export a film or pictures with one ordinary view from the maker's program"
_KINDS = (
    (".heic .heif .hif", "HEIC photographs", "convert them to JPEG, e.g. with heif-convert"),
    (".avif .jxl", "photographs in a format of the web", "convert them to JPEG"),
    (
        ".dng .cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .raf .rw2 .orf .pef .srw .gpr .raw .iiq .3fr"
        " .fff .x3f .erf .mrw .rwl .dcr .kdc",
        "raw photographs",
        _RAW,
    ),
    (".insp .insv .360", "recordings of a 360° camera", _PANORAMA),
    (
        ".seq .csq .ats .rjpg .sfmov .fcf .tmc",
        "radiometric recordings",
        "export them as 16-bit TIFF or as a film from the camera maker's program",
    ),
    (
        ".braw .r3d .crm .ari",
        "films in a format of cinema cameras",
        "convert them to MP4 with the maker's program",
    ),
    (".psd .exr .hdr .svg .pdf .gif", "images of other programs", "export them as TIFF or JPEG"),
    (
        ".zip .rar .7z .tar .gz .tgz",
        "archives",
        "unpack them",
    ),
)
_PREVIEWS = ".lrf .lrv .thm .scr"
_ADVICE = {s: (what, todo) for suffixes, what, todo in _KINDS for s in suffixes.split()}
_LISTED = 3
# What a file begins with whose ending says something else: the brands of ISO 14496-12
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})


def advice_for(path: Path) -> str | None:
    """What a file is that cannot be read, by its ending or its first bytes, and what to do; None
    where it is nothing known."""
    what, todo = _ADVICE.get(_kind(path), ("", ""))
    if path.suffix.lower() in _PREVIEWS.split():
        what, todo = "previews", "copy the film itself from the camera"
    return f"{what} are not read: {todo}" if what else None


def unread(folder: Path, is_deep: bool, taken: Path | None) -> list[str]:
    """Sentences on files of a folder, also below it where `is_deep`, that look like footage and are
    not read, other than what is `taken`; on previews only where that is None."""
    found: dict[str, list[Path]] = defaultdict(list)
    dangling = []
    for path in files_below(folder) if is_deep else visible(folder):
        if not path.is_file():
            dangling.append(path)
            continue
        is_preview = path.suffix.lower() in _PREVIEWS.split()
        if path == taken or (is_preview and taken is not None):
            continue
        if (advice := advice_for(path)) is not None:
            found[advice].append(path)
    sentences = [f"{_counted(paths, folder)}: {advice}." for advice, paths in found.items()]
    if dangling:
        sentences.append(
            f"{_counted(dangling, folder)}: links that lead nowhere; copy the files themselves"
            " there."
        )
    return sentences


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        return suffix
    try:
        with path.open("rb") as stream:
            start = stream.read(12)
    except OSError:
        return suffix
    is_heif = start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS
    return ".heic" if is_heif else suffix


def besides(folder: Path, taken: str) -> list[str]:
    """Sentences on footage of a scene's folder other than what is taken.

    Args:
        folder: the scene's.
        taken: name of the video or the folder that is taken, `.` for the scene's folder itself.
    """
    images = [p for p in files_below(folder / "images") if p.suffix.lower() in IMAGE_SUFFIXES]
    beside = [p for p in visible(folder) if p.suffix.lower() in IMAGE_SUFFIXES]
    videos = [p for p in visible(folder) if p.suffix.lower() in VIDEO_SUFFIXES and p.name != taken]
    groups = [("videos", videos)]
    if taken != "images":
        groups.append(("photographs in images/", images))
    if taken != ".":
        groups.append(("photographs", beside))
    return [
        f"{_counted(paths, folder)}: {what} beside {taken}, which is taken, are left out; give them"
        " a scene's folder of their own."
        for what, paths in groups
        if paths
    ]


def elsewhere(folder: Path) -> str:
    """A sentence on footage that lies in folders below one without any, '' where there is none."""
    known = IMAGE_SUFFIXES | VIDEO_SUFFIXES
    below = [p for p in files_below(folder) if p.suffix.lower() in known and p.parent != folder]
    below = [p for p in below if p.relative_to(folder).parts[0] != "depth"]
    if not below:
        return ""
    folders = sorted({p.parent.relative_to(folder).as_posix() for p in below})
    return (
        f" {len(below)} photographs or videos lie in {', '.join(folders[:_LISTED])}: name such a"
        " folder, or move its photographs to images/."
    )


def visible(folder: Path) -> list[Path]:
    """The visible files and links of a folder itself, in the order of their names."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and not p.is_dir())


def _counted(paths: list[Path], folder: Path) -> str:
    names = [
        path.relative_to(folder).as_posix() for path in in_natural_order(paths, folder)[:_LISTED]
    ]
    more = ", …" if len(paths) > _LISTED else ""
    return f"{len(paths)} of the files in {folder} ({', '.join(names)}{more})"
