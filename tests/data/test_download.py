"""Fetching and unpacking, against a server on this machine that can be told to misbehave."""

from __future__ import annotations

import hashlib
import io
import re
import stat
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fame.errors import FameError
from fame.make.data import read
from fame.make.data.download import DATASETS, download

NAME = "ml-latest-small"
RATINGS = "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,3,4.0,964981247\n"
MOVIES = "movieId,title,genres\n1,Toy Story (1995),Comedy\n3,Grumpier Old Men (1995),Comedy\n"


def archive(*members: tuple[str | zipfile.ZipInfo, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, text in members:
            file.writestr(name, text)
    return buffer.getvalue()


GOOD = archive((f"{NAME}/", ""), (f"{NAME}/ratings.csv", RATINGS), (f"{NAME}/movies.csv", MOVIES))


class Server(ThreadingHTTPServer):
    """Serves `files`; keeps each request's path and Range."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.cut: int | None = None  # break the connection off after so many bytes
        self.status = 200
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def publish(self, data: bytes, md5: str | None = "right") -> None:
        self.files = {f"/{NAME}.zip": data}
        if md5:
            right = hashlib.md5(data).hexdigest()
            self.files[f"/{NAME}.zip.md5"] = f"MD5 ({NAME}.zip) = {right if md5 == 'right' else md5}\n".encode()

    def starts(self) -> list[str | None]:
        """The Range of each request for the archive."""
        return [wanted for path, wanted in self.asked if path.endswith(".zip")]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append((self.path, wanted))
        data = server.files.get(self.path)
        if data is None or server.status != 200:
            self.send_error(404 if data is None else server.status)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and server.ranges else 0  # type: ignore[index]
        if start and start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : server.cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def only(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_address_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(FameError, match=r"Invalid IPv6 URL; expected one like https://host/folder"):
        download("ml-1m", tmp_path, base_url="http://[")


def test_a_whole_download_is_checked_unpacked_and_readable(server: Server, tmp_path: Path) -> None:
    server.publish(GOOD)
    told: list[tuple[int, int | None]] = []
    folder = download(NAME, tmp_path / "new", base_url=server.url + "/", progress=lambda *now: told.append(now))
    assert folder == tmp_path / "new" / NAME
    assert only(folder.parent) == [NAME], "nothing else is left behind"
    assert only(folder) == ["movies.csv", "ratings.csv"]
    assert read("movielens", folder).catalogue.title.tolist() == ["", "Toy Story", "Grumpier Old Men"]
    assert told[0] == (0, len(GOOD)) and told[-1] == (len(GOOD), len(GOOD))
    server.asked.clear()
    assert download(NAME, tmp_path / "new", base_url=server.url) == folder
    assert not server.asked, "what is there is not fetched again"


def test_an_empty_folder_is_filled(server: Server, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    server.publish(GOOD)
    assert any(download(NAME, tmp_path, base_url=server.url).iterdir())


def test_a_broken_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.publish(GOOD)
    server.cut = 100
    with pytest.raises(FameError, match=rf"broke off after 100 of {len(GOOD)} bytes; run the same again"):
        download(NAME, tmp_path, base_url=server.url)
    server.cut = None
    told: list[tuple[int, int | None]] = []
    folder = download(NAME, tmp_path, base_url=server.url, progress=lambda *now: told.append(now))
    assert server.starts() == [None, "bytes=100-"]
    assert told[0] == (100, len(GOOD))
    assert (folder / "ratings.csv").read_text() == RATINGS


def test_a_server_without_ranges_sends_everything_again(server: Server, tmp_path: Path) -> None:
    server.publish(GOOD)
    server.ranges = False
    (tmp_path / f"{NAME}.zip.part").write_bytes(GOOD[:100])
    assert (download(NAME, tmp_path, base_url=server.url) / "movies.csv").read_text() == MOVIES
    assert server.starts() == ["bytes=100-"]


def test_a_part_that_is_whole_or_too_long_is_fetched_again(server: Server, tmp_path: Path) -> None:
    server.publish(GOOD)
    (tmp_path / f"{NAME}.zip.part").write_bytes(GOOD + b"more")
    assert (download(NAME, tmp_path, base_url=server.url) / "movies.csv").read_text() == MOVIES
    assert server.starts() == [f"bytes={len(GOOD) + 4}-", None]


def test_a_part_of_another_file_fails_the_checksum_and_is_removed(server: Server, tmp_path: Path) -> None:
    server.publish(GOOD)
    (tmp_path / f"{NAME}.zip.part").write_bytes(b"x" * 100)
    with pytest.raises(FameError, match=r"MD5 [0-9a-f]{32}, expected .* removed, try again"):
        download(NAME, tmp_path, base_url=server.url)
    assert only(tmp_path) == []
    assert download(NAME, tmp_path, base_url=server.url).is_dir()


def test_a_wrong_checksum_is_refused(server: Server, tmp_path: Path) -> None:
    server.publish(GOOD, md5="0" * 32)
    with pytest.raises(FameError, match=r"expected 0{32}; the file was removed"):
        download(NAME, tmp_path, base_url=server.url)
    assert only(tmp_path) == []
    server.files[f"/{NAME}.zip.md5"] = b"<html>sorry</html>"
    with pytest.raises(FameError, match="holds '<html>sorry</html>'; expected an MD5"):
        download(NAME, tmp_path, base_url=server.url)


def test_the_publishers_own_checksum_is_asked_of_the_publishers_address(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fame.make.data.download.BASE_URL", server.url)
    server.files["/ml-1m.zip"] = GOOD
    with pytest.raises(FameError, match=f"expected {DATASETS['ml-1m']}"):
        download("ml-1m", tmp_path)
    assert server.asked == [("/ml-1m.zip", None)]


def test_without_a_checksum_the_archives_own_has_to_do(server: Server, tmp_path: Path) -> None:
    spoilt = bytearray(GOOD)
    spoilt[GOOD.index(b"964982703")] ^= 1
    server.publish(bytes(spoilt), md5=None)
    with pytest.raises(FameError, match=r"not a sound zip file \(Bad CRC-32.*removed, try again"):
        download(NAME, tmp_path, base_url=server.url)
    assert only(tmp_path) == []
    server.publish(b"no zip at all", md5=None)
    with pytest.raises(FameError, match="not a sound zip file"):
        download(NAME, tmp_path, base_url=server.url)
    server.publish(GOOD, md5=None)
    assert download(NAME, tmp_path, base_url=server.url).is_dir()


def test_refusals_of_the_server_are_told(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FameError, match=r"ml-latest-small\.zip: the server answered 404"):
        download(NAME, tmp_path, base_url=server.url)
    server.publish(GOOD)
    server.status = 503
    with pytest.raises(FameError, match=r"the server answered 503.*try again later"):
        download(NAME, tmp_path, base_url=server.url)


def test_no_server_bad_addresses_and_unknown_names(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FameError, match="unknown data set 'netflix'; expected one of ml-1m, ml-20m"):
        download("netflix", tmp_path)
    with pytest.raises(FameError, match="begins with https:// or http://"):
        download(NAME, tmp_path, base_url="file:///etc")
    with pytest.raises(FameError, match="no connection"):
        download(NAME, tmp_path, base_url="http://127.0.0.1:9")
    with pytest.raises(FameError, match="no connection"):
        download(NAME, tmp_path, base_url=f"http://{'a' * 70}.org")
    (tmp_path / "file").write_text("")
    with pytest.raises(FameError, match="cannot be written"):
        download(NAME, tmp_path / "file", base_url=server.url)


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "member",
    ["../outside.txt", "/outside.txt", f"{NAME}/../../outside.txt", "..\\outside.txt", "C:/outside.txt", link("a")],
    ids=["up", "absolute", "up inside", "backslash", "drive", "link"],
)
def test_members_that_point_outside_are_refused(server: Server, tmp_path: Path, member: str | zipfile.ZipInfo) -> None:
    server.publish(archive((f"{NAME}/ratings.csv", RATINGS), (member, "outside")))
    target = tmp_path / "target"
    with pytest.raises(FameError, match="points outside the archive; refused"):
        download(NAME, target, base_url=server.url)
    assert only(tmp_path) == ["target"] and only(target) == []


@pytest.mark.parametrize("second", [f"{NAME}/ratings.csv", f"{NAME}/ratings.csv/more.csv"], ids=["twice", "in a file"])
def test_members_that_get_in_each_others_way_are_refused(server: Server, tmp_path: Path, second: str) -> None:
    server.publish(archive((f"{NAME}/ratings.csv", RATINGS), (second, "again")))
    with pytest.raises(FameError, match="stands twice, or in a file; refused"):
        download(NAME, tmp_path, base_url=server.url)


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("MAX_ARCHIVE_BYTES", "expected at most 10"),
        ("MAX_UNPACKED_BYTES", "unpacks to .* expected at most 10"),
        ("MAX_MEMBERS", "11 files; expected at most 10"),
    ],
)
def test_archives_too_large_are_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, message: str
) -> None:
    monkeypatch.setattr(f"fame.make.data.download.{limit}", 10)
    server.publish(archive(*((f"{NAME}/{k}", "text") for k in range(11))))
    with pytest.raises(FameError, match=message):
        download(NAME, tmp_path, base_url=server.url)
    assert not (tmp_path / NAME).exists()
