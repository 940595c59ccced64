"""The guard of the own machine's pages, asked as a browser at any port asks, and its hand-over."""

import asyncio
import stat

import pytest

from nima_pretrain.library.own_machine import OwnMachineOnly, redirecting_file


def status(port: int, method: str = "GET", **headers: str) -> int:
    """The status of the answer to a request: 200 if it was not refused."""
    started = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        started.append(message)

    names = [(name.replace("_", "-").lower(), value) for name, value in headers.items()]
    scope = {
        "type": "http",
        "method": method,
        "headers": [(name.encode(), value.encode()) for name, value in names],
    }
    asyncio.run(OwnMachineOnly(app, port, 100)(scope, receive, send))
    return started[0]["status"]


def test_browsers_do_not_name_the_port_80():
    for host in ("127.0.0.1", "localhost", "127.0.0.1:80"):
        assert status(80, Host=host) == 200
        assert status(80, "PUT", Host=host, Origin="http://127.0.0.1") == 200
    assert status(80, Host="evil.example") == 421
    assert status(80, "PUT", Host="127.0.0.1", Origin="http://evil.example") == 403
    assert status(81, Host="127.0.0.1") == 421


NAVIGATION = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}


def test_another_page_may_lead_to_this_one_but_not_use_it():
    other = {"Host": "127.0.0.1:81", "Sec_Fetch_Site": "cross-site"}
    assert status(81, **other, **NAVIGATION) == 200
    assert status(81, **other) == 403
    assert status(81, **other, Sec_Fetch_Mode="no-cors", Sec_Fetch_Dest="image") == 403
    assert status(81, **other, Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="iframe") == 403
    for method in ("POST", "PUT"):
        assert status(81, method, **other, **NAVIGATION) == 403
    assert status(81, **other, **NAVIGATION, Origin="null") == 403


def test_the_file_that_leads_to_an_address_is_its_owners_alone_and_gone_at_the_end():
    with redirecting_file("http://127.0.0.1:1/a&b/") as file:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "url=http://127.0.0.1:1/a&amp;b/" in file.read_text()
    assert not file.exists()


def test_the_file_may_be_gone_before():
    with redirecting_file("http://127.0.0.1:1/a/") as file:
        file.unlink()


@pytest.mark.parametrize("port", [80, 8000])
def test_https_is_another_origin(port):
    assert status(port, Host=f"127.0.0.1:{port}", Origin=f"https://127.0.0.1:{port}") == 403
