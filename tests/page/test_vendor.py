"""The page's libraries: files of npm packages as they come, each with its licence, and nothing else."""

import hashlib
from pathlib import Path

import pytest

from cogitate.server.page.files import STATIC

VENDOR = STATIC / "vendor"
PACKAGES = {
    "preact": ("11.2.0", "MIT"),
    "htm": ("3.1.1", "Apache"),
    "d3-hierarchy": ("3.1.3", "Permission to use, copy, modify"),
    "swagger-ui": ("swagger-ui-dist 5.35.0", "Apache"),
}
"""The version of each package, and words of its licence. To update: `npm pack NAME@VERSION`, and copy."""
DIGESTS = {
    "d3-hierarchy/d3-hierarchy.mjs": "400b7b1e7077b4905f680093785eca591f799f03c735fcd3290dd55611e8410e",
    "htm/htm.mjs": "ab33dd3f38059b9be4d5f5350128eefb2356639c4e0bbe9d9e8b3ba75847e9e4",
    "preact/hooks.mjs": "e862ab2973aa6455eaa0f77c5d832d2157d6be59a17c8ba546550a575b58c6b4",
    "preact/preact.mjs": "bdcbd9abdf2c77c5c45326eab42191e949222d479d0d5f69467387a77040cb55",
    "swagger-ui/NOTICE": "0d20d1adef18aee3f40dd258172155521ce702ac445cb5f7b7d60ed32dad2fb2",
    "swagger-ui/swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui/swagger-ui-bundle.js.LICENSE.txt": "37eb6e7e59aed57b2c1acf076574b818ea07b74265717e0bd67b59e0baf9abbb",
    "swagger-ui/swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_file_is_that_of_its_package(name):
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == DIGESTS[name]


def test_no_other_file_is_vendored_and_each_package_has_its_licence():
    files = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()}
    licences = {f"{package}/LICENSE" for package in PACKAGES}
    assert files - licences == DIGESTS.keys()
    for package, (_, words) in PACKAGES.items():
        assert words in Path(VENDOR, package, "LICENSE").read_text()
