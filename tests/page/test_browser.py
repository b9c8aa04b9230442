"""The page in Chromium over a live server with keys: what is drawn of every strategy, watched, asked and saved."""

import hashlib
import re
import threading
from pathlib import Path

import httpx
import pytest

from tests.fakes.live_server import eventually, live
from tests.page.searches import HOSTILE, HOSTILELY, SEARCHES, SLOWLY, build_engine, count_decodes, fetch_trace, search
from tests.page.tools import open_browser
from tests.page.visitor import KEY, NARROW, WIDE, visit
from tests.server.sandbox.backends import unavailable_reason

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"{hashlib.sha256(KEY.encode()).hexdigest()} team code=true\n")
    code_exec = "off" if unavailable_reason("bwrap") else "bwrap"
    with live(build_engine(), api_keys_file=keys, code_exec=code_exec) as running:
        yield running


@pytest.fixture(scope="module")
def browser(server):
    """After the server: Playwright's event loop runs in this thread, and the check of the sandbox needs its own."""
    with open_browser() as running:
        yield running


@pytest.fixture(scope="module")
def replay(browser, server):
    """One tab for all strategies."""
    with visit(browser, server.url) as tab:
        tab.open("#/replay")
        yield tab


@pytest.mark.parametrize("name", SEARCHES)
def test_nodes_are_the_decodes_of_the_trace_and_fit_a_phone(replay, server, name):
    if name == "program_aided" and server.service.settings.code_exec == "off":
        pytest.skip("no sandbox for programs: bubblewrap is not installed, or does not work here")
    answer = search(server, name, **SEARCHES[name]).json()["cogitate"]["answer"]
    trace = fetch_trace(server, name)
    for width in (WIDE, NARROW):
        replay.page.set_viewport_size({"width": width, "height": 800})
        replay.open(f"#/replay/{name}")
        replay.page.get_by_label(f"Search {name}").wait_for()
        assert replay.nodes.count() == count_decodes(trace) > 0
        assert replay.page.locator(".answer .value").inner_text() == answer
        chosen = replay.page.locator(".node.chosen").evaluate_all(
            "nodes => nodes.map((node) => Number(node.dataset.index))"
        )
        assert trace["events"][-1]["index"] in chosen
        assert replay.measure_overflow() <= 0


def test_key_is_asked_for_and_kept_for_this_tab_alone(browser, server):
    with visit(browser, server.url, key=False) as tab:
        tab.open()
        tab.enter_key()
        tab.page.get_by_label("model").locator("option", has_text="scripted").wait_for(state="attached")
        tab.page.reload()
        tab.page.get_by_label("model").locator("option", has_text="scripted").wait_for(state="attached")
        assert KEY not in tab.page.url and not tab.page.evaluate("localStorage.length || document.cookie.length")
    with visit(browser, server.url, key=False) as tab:
        tab.open("#/watch")
        tab.page.get_by_label("API key", exact=True).wait_for()


def test_running_search_grows_and_answers_when_asked(browser, server):
    answers: list[httpx.Response] = []
    question = f"What is 13 + 29? Take it {SLOWLY}."
    options = {"n": 32, "stop_rule": "none", "concurrency": 2}
    client = threading.Thread(
        target=lambda: answers.append(search(server, "self_consistency", question, "grows", **options))
    )
    client.start()
    with visit(browser, server.url) as tab:
        tab.open("#/watch")
        tab.page.get_by_role("link", name="grows").click()
        tab.wait_for_nodes(2)
        assert tab.page.evaluate("document.activeElement.className") == "answer"
        seen = tab.nodes.count()
        assert tab.state == "running" and tab.page.locator(".node.running").count() > 0
        tab.wait_for_nodes(seen + 2)
        tab.page.get_by_role("button", name="Answer now").click()
        tab.page.locator(".head .state", has_text="asked").wait_for()
        client.join(20)
        assert answers[0].json()["cogitate"]["stopped"] == "asked"
        eventually(lambda: tab.nodes.count() == count_decodes(fetch_trace(server, "grows")), seconds=20)
        assert tab.page.locator(".node.aborted").count() > 0


def test_running_search_is_cancelled(browser, server):
    options = {"n": 16, "stop_rule": "none", "concurrency": 1}
    arguments = ("self_consistency", f"Take it {SLOWLY}.", "ends")
    client = threading.Thread(target=lambda: search(server, *arguments, **options))
    client.start()
    eventually(lambda: fetch_trace(server, "ends").get("status") == "running", seconds=20)
    with visit(browser, server.url) as tab:
        tab.open("#/watch/ends")
        tab.page.get_by_role("button", name="Cancel").click()
        client.join(20)
        tab.page.get_by_role("button", name="Save JSON").wait_for()
        assert not client.is_alive() and "without an answer" in tab.page.locator(".why").inner_text()


def test_two_strategies_are_asked_side_by_side(browser, server):
    with visit(browser, server.url) as tab:
        tab.open()
        tab.page.get_by_label("Question").fill("What is 13 + 29?")
        tab.page.get_by_label("n", exact=True).fill("5")
        tab.page.get_by_role("button", name="Ask", exact=True).click()
        tab.page.get_by_role("button", name="Save HTML").nth(1).wait_for()
        rows = tab.page.locator(".comparison tbody tr")
        assert rows.count() == tab.page.locator("article.trace").count() == 2
        assert re.match(r"self_consistency · n 5\s+4[12]\s", rows.nth(1).inner_text())
        ids = tab.page.locator(".what code").all_inner_texts()
        traces = [fetch_trace(server, each) for each in ids]
        assert [trace["seed"] for trace in traces] == [1, 1]
        assert tab.nodes.count() == sum(map(count_decodes, traces))
        tab.page.set_viewport_size({"width": NARROW, "height": 800})
        assert tab.measure_overflow() <= 0


def test_refusal_is_shown_with_its_reason(browser, server):
    with visit(browser, server.url) as tab:
        tab.open()
        tab.page.get_by_label("verifier", exact=True).fill("judge")
        tab.page.get_by_role("button", name="Ask", exact=True).click()
        assert "verifier and aggregation apply only" in tab.page.get_by_role("alert").inner_text()


def test_markup_of_a_candidate_stays_text_also_in_the_saved_file(browser, server, tmp_path):
    search(server, "self_consistency", HOSTILELY, "hostile", n=2, stop_rule="none")
    with visit(browser, server.url) as tab:
        tab.open("#/replay/hostile")
        assert tab.page.locator("pre.text").inner_text() == HOSTILE
        with tab.page.expect_download() as download:
            tab.page.get_by_role("button", name="Save HTML").click()
        assert tab.page.title() == "42 · hostile · Cogitate" and not tab.page.locator("img").count()
        saved = tmp_path / "saved.html"
        download.value.save_as(saved)
    check_saved_file(browser, saved, nodes=2)


def check_saved_file(browser, saved: Path, nodes: int) -> None:
    """Open it without a network, with nothing but the file."""
    with visit(browser, saved.as_uri(), offline=True) as tab:
        tab.page.goto(saved.as_uri())
        tab.wait_for_nodes(nodes)
        assert tab.nodes.count() == nodes and tab.page.locator("pre.text").inner_text() == HOSTILE
        assert tab.page.title() == "42 · hostile · Cogitate" and not tab.page.locator("img").count()
        assert {each.partition(":")[0] for each in tab.requests} <= {"file", "data"}


def test_256_candidates_are_drawn_at_once_and_fit_a_phone(browser, server):
    search(server, "self_consistency", request_id="many", n=256, stop_rule="none", concurrency=256)
    with visit(browser, server.url, width=NARROW) as tab:
        tab.open("#/replay/many")
        tab.wait_for_nodes(256)
        assert tab.measure_overflow() <= 0
        milliseconds = tab.page.evaluate(
            """async () => {
                const slider = document.querySelector("input[type=range]");
                const started = performance.now();
                slider.value = slider.max / 2;
                slider.dispatchEvent(new Event("input", { bubbles: true }));
                await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
                return performance.now() - started;
            }"""
        )
        assert milliseconds < 2000
        tab.page.get_by_label("Moment of the search").press("End")  # half way nothing may have begun on a busy machine
        tab.wait_for_nodes(256)
        tab.nodes.first.click()
        assert tab.page.locator(".inspector").bounding_box()["y"] < 20
        tab.page.get_by_role("button", name="back to the tree").click()
        assert tab.nodes.first.evaluate("node => node === document.activeElement")


def test_slider_shows_an_earlier_moment(browser, server):
    search(server, "best_of_n", request_id="earlier", **SEARCHES["best_of_n"])
    with visit(browser, server.url) as tab:
        tab.open("#/replay/earlier")
        tab.wait_for_nodes(1)
        count = tab.nodes.count()
        slider = tab.page.get_by_label("Moment of the search")
        slider.press("Home")
        tab.page.wait_for_function("n => document.querySelectorAll('[data-decode]').length < n", arg=count)
        tab.page.get_by_role("button", name="Next event").click()
        slider.press("End")
        tab.wait_for_nodes(count)
        tab.page.get_by_label("or a file").set_input_files({"name": "a.json", "mimeType": "text/plain", "buffer": b"{"})
        assert "not JSON" in tab.page.get_by_role("alert").inner_text() and not tab.nodes.count()


def test_arrow_keys_lead_through_the_tree_and_everything_has_a_name(browser, server):
    search(server, "beam_search", request_id="keys", **SEARCHES["beam_search"])
    with visit(browser, server.url, reduced_motion="reduce") as tab:
        tab.open("#/replay/keys")
        tab.wait_for_nodes(1)
        tab.page.locator("[role=treeitem][tabindex='0']").focus()
        reached = set()
        for key in ["Home", *["ArrowRight", "ArrowDown", "ArrowDown"] * 4, "ArrowLeft", "ArrowUp", "End"]:
            tab.page.keyboard.press(key)
            focused = tab.page.evaluate("document.activeElement.getAttribute('data-index')")
            assert tab.page.locator(".inspector h3").inner_text().split()[1] == focused
            reached.add(focused)
        assert len(reached) > 6 and tab.page.locator("[role=treeitem][tabindex='0']").count() == 1
        unnamed = "[...document.querySelectorAll('button, input, select, textarea, [role=treeitem]')]"
        unnamed += ".filter(e => !(e.ariaLabel || e.innerText || e.title || e.labels?.length)).length"
        assert tab.page.evaluate(unnamed) == 0
        running = "document.getAnimations().filter((each) => each.playState === 'running').length"
        assert tab.page.evaluate(running) == 0


def test_dark_theme_is_dark(browser, server):
    colours = []
    for scheme in ("light", "dark"):
        with visit(browser, server.url, color_scheme=scheme) as tab:
            tab.open()
            colours.append(tab.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours[0] != colours[1]


def test_docs_are_drawn_from_our_own_files_with_the_key(browser, server):
    with visit(browser, server.url, key=False) as tab:
        tab.open("docs")
        tab.enter_key()
        tab.page.get_by_text("/v1/chat/completions", exact=True).first.wait_for(timeout=20_000)


def test_page_works_behind_a_prefix(browser, server):
    outside = "http://prefix.test/models"
    with visit(browser, outside) as tab:
        tab.context.route(
            f"{outside}/**",
            lambda route: route.fulfill(response=route.fetch(url=server.url + route.request.url.removeprefix(outside))),
        )
        tab.open("#/watch")
        tab.page.get_by_role("heading", name="Searches").wait_for()
        tab.page.goto(f"{outside}/")
        tab.page.get_by_label("model").locator("option", has_text="scripted").wait_for(state="attached")
