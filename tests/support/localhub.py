"""A small Hugging Face Hub: repositories with commits, branches and tags, LFS files, access rules.

It answers the requests huggingface_hub makes for metadata, and file requests with the faults of
`file_server`.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from tests.support.file_server import FileServer, Handler

_LFS_FROM = 1024
_INFO = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass(frozen=True)
class HubFile:
    data: bytes

    @cached_property
    def blob_id(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.data) + self.data).hexdigest()

    @cached_property
    def sha256(self) -> str | None:
        """Large files are LFS: only these have a sha256 on the hub."""
        return hashlib.sha256(self.data).hexdigest() if len(self.data) >= _LFS_FROM else None


@dataclass
class Repo:
    """`gated` files need a token; with "refused" no token is good enough."""

    private: bool = False
    gated: bool | Literal["refused"] = False
    commits: dict[str, dict[str, HubFile]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    downloads: int = 0
    tags: list[str] = field(default_factory=lambda: ["gguf"])

    def commit(self, files: dict[str, bytes], *, to: str = "main", tag: str | None = None) -> str:
        """Add a commit with exactly these files; return its id."""
        tree = {path: HubFile(data) for path, data in files.items()}
        text = repr((len(self.commits), sorted((p, f.blob_id) for p, f in tree.items())))
        commit = hashlib.sha1(text.encode()).hexdigest()
        self.commits[commit] = tree
        self.refs[to] = commit
        if tag:
            self.refs[tag] = commit
        return commit

    def find(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.refs.get(revision)


class HubHandler(Handler):
    server: "LocalHub"

    def answer(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.server.tokens:
            return self.refuse(401, "", "Invalid credentials in Authorization header")
        if self.server.metadata_fault and self.path_only.startswith("/api/"):
            return self.plain(*self.server.metadata_fault)
        if found := _FILE.fullmatch(self.path_only):
            return self.file(*found.groups(), token=token)
        if self.path_only == "/api/models":
            return self.search()
        if found := _INFO.fullmatch(self.path_only):
            return self.info(found[1], found[2] or "main", token=token)
        return self.refuse(404, "", f"nothing at {self.path_only}")

    def info(self, name: str, revision: str, *, token: str) -> None:
        repo = self.server.repos.get(name)
        if repo is None or (repo.private and not token):
            status = 404 if token else 401  # the real hub does not tell strangers what exists
            return self.refuse(status, "RepoNotFound", "Repository not found")
        commit = repo.find(revision)
        if commit is None:
            return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        blobs = "blobs" in parse_qs(urlsplit(self.path).query)
        files = [_sibling(p, f, blobs=blobs) for p, f in sorted(repo.commits[commit].items())]
        gated = "auto" if repo.gated else False
        body = {
            "id": name,
            "sha": commit,
            "private": repo.private,
            "gated": gated,
            "siblings": files,
        }
        return self.plain(200, json.dumps(body).encode(), Content_Type="application/json")

    def search(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        words, wanted = query.get("search", [""])[0], query.get("filter", [""])[0]
        limit = int(query.get("limit", ["1000"])[0])
        found = [
            (name, repo)
            for name, repo in self.server.repos.items()
            if words.lower() in name.lower() and wanted in repo.tags and not repo.private
        ]
        found.sort(key=lambda each: -each[1].downloads)
        body = [
            {
                "id": name,
                "downloads": repo.downloads,
                "likes": repo.downloads // 10,
                "lastModified": "2026-01-02T03:04:05.000Z",
                "gated": "auto" if repo.gated else False,
                "tags": repo.tags,
                "siblings": [
                    {"rfilename": path} for path in sorted(repo.commits[repo.refs["main"]])
                ],
            }
            for name, repo in found[:limit]
        ]
        self.plain(200, json.dumps(body).encode(), Content_Type="application/json")

    def file(self, name: str, revision: str, path: str, *, token: str) -> None:
        repo = self.server.repos.get(name)
        if repo is None or (repo.private and not token):
            return self.refuse(401, "RepoNotFound", "Repository not found")
        if repo.gated == "refused" and token:
            return self.refuse(403, "GatedRepo", "you are not in the authorized list")
        if repo.gated and not token:
            return self.refuse(401, "GatedRepo", "Access to model is restricted")
        commit = repo.find(revision)
        found = repo.commits[commit].get(path) if commit else None
        if commit is None or found is None:
            return self.refuse(404, "EntryNotFound", "Entry not found")
        if self.server.cdn and found.sha256:
            self.server.cdn.files[f"/{found.sha256}"] = found.data
            where = f"{self.server.cdn.url}/{found.sha256}?signature=secret"
            return self.plain(302, b"", Location=where)
        etag = found.sha256 or found.blob_id
        linked = {"X_Linked_ETag": f'"{etag}"', "X_Linked_Size": str(len(found.data))}
        return self.send_file(found.data, etag=etag, X_Repo_Commit=commit, **linked)

    def refuse(self, status: int, code: str, message: str) -> None:
        extra = {"X_Error_Code": code, "X_Error_Message": message}
        self.plain(status, json.dumps({"error": message}).encode(), **extra)


class LocalHub(FileServer):
    """`repos` by `user/name`. With a `cdn`, large files are redirected there, as the real hub does."""

    handler = HubHandler

    def __init__(self) -> None:
        super().__init__()
        self.repos: dict[str, Repo] = {}
        self.tokens = {"hf_good"}
        self.cdn: FileServer | None = None
        self.metadata_fault: tuple[int, bytes] | None = None

    def repo(self, name: str) -> Repo:
        return self.repos.setdefault(name, Repo())


def _sibling(path: str, file: HubFile, *, blobs: bool) -> dict[str, object]:
    if not blobs:
        return {"rfilename": path}
    size = len(file.data)
    lfs = {"sha256": file.sha256, "size": size, "pointerSize": 134} if file.sha256 else None
    return {
        "rfilename": path,
        "size": size,
        "blobId": file.blob_id,
        **({"lfs": lfs} if lfs else {}),
    }
