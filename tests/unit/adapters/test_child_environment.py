"""What gateway and runners are handed of the daemon's environment."""

from lmctl.adapters.secrets import without_secrets


def test_what_is_started_is_handed_no_secret():
    kept = {"PATH": "/bin", "LMCTL_HOME": "/h", "PIP_INDEX_URL": "https://index.example/simple"}
    gone = {
        "HF_TOKEN": "x1y2z3",
        "OPENAI_API_KEY": "x1y2z3",
        "SOME_URL": "https://me:x1y2z3@host/simple",
        "OTHER": "hf_" + "a1B2" * 10,
    }
    assert without_secrets(kept | gone) == kept
