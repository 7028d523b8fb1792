"""Browsers that do not draw are browsers for the page."""

import time
from pathlib import Path

import pytest

pytest.importorskip("viser")
pytest.importorskip("playwright")

import viser

from dbp_ros.evaluation.running_stack import module_process

LIMIT_S = 30.0


def test_the_page_counts_them_and_they_receive_its_messages(tmp_path: Path) -> None:
    page, log = tmp_path / "page.log", tmp_path / "browsers.log"
    server = viser.ViserServer("127.0.0.1", 0, verbose=False)
    try:
        server.gui.add_html("state")
        page.write_text(f"operator's page: http://127.0.0.1:{server.get_port()}\n")
        with module_process(("benchmarks.rate.page_clients", str(page), "2"), log):
            deadline = time.monotonic() + LIMIT_S
            while len(server.get_clients()) < 2 and time.monotonic() < deadline:
                time.sleep(0.1)
            assert len(server.get_clients()) == 2
            time.sleep(0.5)
        received = log.read_text().splitlines()[-1].split()
        assert received[1] == "messages,"
        assert int(received[0]) >= 2
    finally:
        server.stop()
