"""`release(...)` and `fetch`: files of an authors' release, over HTTP, by commit and by digest."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pytest_gptoss.data import fetch, release, use_mirror
from pytest_gptoss.errors import DataError

ROWS = [{"id": "a", "answer": "1"}, {"id": "b", "answer": "2"}]
FILES = {"/v1/rows.json": json.dumps(ROWS).encode(), "/v1/torn.json": b'[{"id": "a"', "/v1/b": b"B"}


class Server(ThreadingHTTPServer):
    asked: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.asked.append(self.path)
        content = FILES.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def do_HEAD(self) -> None:
        self.send_response(200 if self.path in FILES else 404)
        self.send_header("Content-Length", str(len(FILES.get(self.path, b""))))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the test's own output is enough."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    import datasets

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GPTOSS_DATA", raising=False)
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", tmp_path / "downloads")
    use_mirror(None)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def rows(server: Server, name: str = "rows.json", sha256: str | None = None):
    return release(
        "house/rows",
        split="test",
        url=server.url + "/{revision}/" + name,
        revision="v1",
        sha256=sha256,
        read=json.loads,
    )


def test_rows_come_from_the_release_and_are_fetched_once(server: Server) -> None:
    table = rows(server).open()
    assert [table[index] for index in range(len(table))] == ROWS
    assert rows(server).open()[1] == ROWS[1]
    assert server.asked == ["/v1/rows.json"]
    said = rows(server).describe()
    assert said["revision"] == "v1"
    assert said["source"] == "release"
    assert said["release"].endswith("/{revision}/rows.json")


def test_the_digest_is_held_also_for_what_was_cached(server: Server) -> None:
    right = hashlib.sha256(FILES["/v1/rows.json"]).hexdigest()
    assert len(rows(server, sha256=right).open()) == 2
    with pytest.raises(DataError, match="is not the file that was pinned"):
        rows(server, sha256="0" * 64).open()


def test_a_missing_file_is_one_sentence_with_a_remedy(server: Server) -> None:
    with pytest.raises(DataError, match=r"nosuch.json cannot be fetched .*--gptoss-data"):
        rows(server, "nosuch.json").open()


def test_a_torn_file_is_named(server: Server) -> None:
    with pytest.raises(DataError, match=r"torn.json cannot be read as house/rows"):
        rows(server, "torn.json").open()


def test_a_missing_column_is_named(server: Server) -> None:
    lacking = release(
        "house/rows",
        split="test",
        url=server.url + "/{revision}/rows.json",
        revision="v1",
        read=lambda content: [{"x": row["nosuch"]} for row in json.loads(content)],
    )
    with pytest.raises(DataError, match=r"KeyError: 'nosuch'"):
        lacking.open()


def test_several_files_come_in_order(server: Server) -> None:
    urls = [f"{server.url}/v1/b", f"{server.url}/v1/rows.json"]
    assert fetch(urls) == [b"B", FILES["/v1/rows.json"]]
    server.asked.clear()
    assert fetch(urls) == [b"B", FILES["/v1/rows.json"]]
    assert server.asked == []


def test_a_mirror_comes_first(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "mirror/house/rows/default/test.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text('{"id": "m", "answer": "3"}\n')
    use_mirror(tmp_path / "mirror")
    try:
        assert rows(server).open()[0]["id"] == "m"
        assert rows(server).describe()["source"] == "mirror"
    finally:
        use_mirror(None)
    assert server.asked == []
