"""The question `where would pip take this wheel from?`, as a program for pip's own Python.

`pip install --dry-run --report` answers it too, but before pip 24.0 it reads the whole wheel to
do so. This asks the part of pip that finds wheels (the same since pip 20) and reads nothing; when
a future pip is built differently the program fails, and the caller uses the dry run.
"""

from typing import Final

# Arguments: name, version, file name of the wheel (empty: the best one), then pip's options.
# Prints one JSON object, or `null` for no wheel.
# User and password are found as pip finds them: index address, netrc, keyring.
PROGRAM: Final = """
import json, sys
from pip._internal.commands.install import InstallCommand
from pip._vendor.packaging.specifiers import SpecifierSet

name, version, file, *words = sys.argv[1:]
command = InstallCommand("install", "")
options, _ = command.parse_args(words)
with command.main_context():
    session = command.get_default_session(options)
    finder = command._build_package_finder(options, session, ignore_requires_python=True)
    best = finder.find_best_candidate(name, SpecifierSet("==" + version)).best_candidate
    if file:
        named = (each for each in finder.find_all_candidates(name) if each.link.filename == file)
        best = next(named, best)
    if best is None or not best.link.is_wheel:
        print("null")
    else:
        url, user, password = best.link.url, None, None
        if url.startswith("http"):
            url, user, password = session.auth._get_url_and_credentials(url)
        sha256 = best.link.hash if best.link.hash_name == "sha256" else None
        print(json.dumps({"url": url, "sha256": sha256, "user": user, "password": password}))
"""
