"""A small Python package index (PEP 503) of wheels built in the test, with the faults of `file_server`."""

import base64
import hashlib
import io
import zipfile

from tests.support.file_server import FileServer, Handler


def build_wheel(package: str, version: str, files: dict[str, bytes]) -> tuple[str, bytes]:
    """Return file name and bytes of a wheel with these files; valid enough for pip to install."""
    stem = f"{package.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(_record(name, data) for name, data in content.items())
    content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data)
    return f"{stem}-py3-none-any.whl", out.getvalue()


def _record(name: str, data: bytes) -> str:
    found = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={found},{len(data)}\n"


class PackageHandler(Handler):
    server: "PackageServer"

    def answer(self) -> None:
        if self.server.password and self.headers.get("Authorization") != self.server.password:
            return self.plain(401, b"", WWW_Authenticate='Basic realm="index"')
        unwanted = self.server.unwanted
        if unwanted and self.headers.get("User-Agent", "").startswith(unwanted):
            return self.plain(403, b"")
        pieces = self.path_only.strip("/").split("/")
        if pieces[0] == "simple" and len(pieces) == 2 and pieces[1] in self.server.wheels:
            return self.plain(200, self.server.page(pieces[1]), Content_Type="text/html")
        return super().answer()


class PackageServer(FileServer):
    """Index at `index`. The page of a package carries the sha256 and metadata of each wheel."""

    handler = PackageHandler

    def __init__(self) -> None:
        super().__init__()
        self.wheels: dict[str, list[tuple[str, str]]] = {}
        self.password: str | None = None
        self.unwanted: str | None = None

    @property
    def index(self) -> str:
        return f"{self.url}/simple/"

    def require(self, user: str, password: str) -> str:
        """Ask for credentials from now on; return the index address that carries them."""
        words = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.password = f"Basic {words}"
        return self.index.replace("://", f"://{user}:{password}@")

    def turn_away(self, program: str) -> None:
        """Answer 403 to clients whose User-Agent begins with this."""
        self.unwanted = program

    def add(self, package: str, version: str, files: dict[str, bytes], *, sha256: str = "") -> str:
        """Publish a wheel; `sha256` replaces the true one on its page. Returns the wheel's path."""
        name, data = build_wheel(package, version, files)
        path = f"/files/{name}"
        self.files[path] = data
        metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n".encode()
        self.files[f"{path}.metadata"] = metadata
        self.wheels.setdefault(package, []).append(
            (path, sha256 or hashlib.sha256(data).hexdigest())
        )
        return path

    def page(self, package: str) -> bytes:
        links = (
            f'<a href="{path}#sha256={sha256}" data-dist-info-metadata="true">{path.split("/")[-1]}</a>'
            for path, sha256 in self.wheels[package]
        )
        return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()
