"""A profile of another machine: read whole, or told what is wrong with it."""

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.cli.printer import as_yaml
from lmctl.manifests.report import render
from lmctl.planning.host_profile import Cores, Disk, Gpu, HostProfile, Memory
from lmctl.planning.host_profile_file import document, read

GIB = 1024**3
WHOLE = dedent("""\
    apiVersion: lmctl/v1alpha1
    kind: HostProfile
    metadata: {name: studio}
    spec:
      os: linux
      arch: x86_64
      cores: {logical: 8, physical: 4, usable: 2.5, features: [avx2]}
      memory: {total: 16Gi, limit: 12Gi, others: 812Mi}
      disk: {total: 500G, free: 123456789}
      gpus: [{name: card, memory: 8Gi}]
      labels: {zone: lab}
    """)


def test_a_profile_is_read_with_sizes_as_people_write_them():
    assert read("box.yaml", WHOLE.encode()) == HostProfile(
        name="studio",
        os="linux",
        arch="x86_64",
        cores=Cores(8, 4, 2.5, ("avx2",)),
        memory=Memory(16 * GIB, 12 * GIB, 812 * 1024**2),
        disk=Disk(500 * 10**9, 123456789),
        gpus=(Gpu("card", 8 * GIB),),
        labels={"zone": "lab"},
    )


SIZES = st.integers(0, 2**50)


@given(st.builds(
    HostProfile,
    name=st.just("box"), os=st.just("linux"), arch=st.just("arm64"),
    cores=st.builds(Cores, st.integers(1, 512), st.integers(1, 256), st.sampled_from([0.5, 2.0])),
    memory=SIZES.flatmap(lambda total: st.builds(
        Memory, st.just(total), st.integers(0, total), SIZES, SIZES)),
    disk=st.builds(Disk, SIZES, SIZES),
    labels=st.dictionaries(st.text("abc", min_size=1), st.sampled_from(["yes", "1", "", "a b"])),
))  # fmt: skip
def test_what_is_written_is_read_again(profile):
    assert read("box.yaml", as_yaml(document(profile)).encode()) == profile


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            WHOLE.replace("others", "othrs").replace("usable: 2.5", "usable: 0"),
            """\
            error: spec.cores.usable: expected more than 0, found `0`
             --> box.yaml:7:44
              |
            7 |   cores: {logical: 8, physical: 4, usable: 0, features: [avx2]}
              |                                            ^

            error: unknown field `spec.memory.othrs`
             --> box.yaml:8:38
              |
            8 |   memory: {total: 16Gi, limit: 12Gi, othrs: 812Mi}
              |                                      ^
            hint: did you mean `others`?
            """,
            id="all at once",
        ),
        pytest.param(
            WHOLE.replace("12Gi", "32Gi"),
            """\
            error: spec.memory.limit: is more than `total`
             --> box.yaml:8:32
              |
            8 |   memory: {total: 16Gi, limit: 32Gi, others: 812Mi}
              |                                ^
            hint: a limit only takes away
            """,
            id="a limit above the total",
        ),
        pytest.param(
            WHOLE.replace("HostProfile", "Instance"),
            """\
            error: `kind`: expected `HostProfile`, found `Instance`
             --> box.yaml:2:7
              |
            2 | kind: Instance
              |       ^
            hint: write one with: lmctl facts > box.yaml
            """,
            id="another kind",
        ),
        pytest.param(
            "- 1\n",
            """\
            error: expected a mapping
             --> box.yaml:1:1
              |
            1 | - 1
              | ^
            hint: write one with: lmctl facts > box.yaml
            """,
            id="a list",
        ),
        pytest.param(
            f"{WHOLE}---\n{WHOLE}",
            """\
            error: expected one HostProfile, found 2 documents
             --> box.yaml:1:1
              |
            1 | apiVersion: lmctl/v1alpha1
              | ^
            hint: write one with: lmctl facts > box.yaml
            """,
            id="two",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text, said):
    found = read("box.yaml", text.encode())
    assert isinstance(found, tuple)
    assert render(found, {"box.yaml": text.encode()}) == dedent(said)


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe", b"a: [", b"{" * 300])
def test_no_file_is_too_odd_to_be_told(content):
    found = read("box.yaml", content)
    assert isinstance(found, tuple)
    assert found
