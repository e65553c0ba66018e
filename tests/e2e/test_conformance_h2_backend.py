"""The conformance table of HTTP/2 at the backend's end: each case of tests/conformance/h2_backend with the backend's frames whole, byte by byte,
split, and between those of another answer on the same connection; and behind each, the job is served on."""

import concurrent.futures

import pytest

from harness.h2_backend_cases import made_up, read_all
from harness.h2_backend_plays import FORMS, Play

CASES = read_all()
AT_ONCE = 8

# Wrong expectations, and what must be said of them: the verdicts are to be proved, too.
ANSWER = ": HEADERS 1 END_STREAM|END_HEADERS {:status: 200}"
WRONG = [(made_up('> POST "Hello"', *lines), said) for lines, said in [
    ([ANSWER, "< answer 404"], "'200'"),
    ([ANSWER, '< answer 200 "x"'], "b'x'"),
    ([ANSWER, '< answer 200 ""', "& left"], "the connection was kept"),
    (["= request \"hello\"", ANSWER, '< answer 200 ""'], "b'Hello'"),
    (["= field te: trailers", ANSWER, '< answer 200 ""'], "['trailers']"),
    ([ANSWER, "< field x-a: b"], "['b']"),
    ([ANSWER, "< cut CANCEL"], "'ended': True"),
    ([": WINDOW_UPDATE 0 +0", "= GOAWAY FLOW_CONTROL_ERROR", "< answer 502", "& ended"], "1 instead of 3"),
    (["! alone", ": WINDOW_UPDATE 0 +0", "< answer 502", "& kept"], "the connection was not kept"),
]]


@pytest.fixture(scope="module")
def plays(module_gateways, records):
    gateway = module_gateways.start()
    token = records.token()
    plays = [Play(case, form, records, token) for case in CASES + [case for case, _ in WRONG] for form in FORMS]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda play: play.run(gateway.address), plays))
    assert gateway.stop() == 0, gateway.program.log()[-3000:]
    return plays


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_case(plays, case):
    faults = [f"{play.form}: {play.fault}" for play in plays if play.case is case and play.fault]
    assert not faults, f"{case.place} [{case.section} {case.level}]:\n" + "\n".join(faults)


@pytest.mark.parametrize("case, said", WRONG, ids=[said for _, said in WRONG])
def test_verdict(plays, case, said):
    assert all(said in (play.fault or "") for play in plays if play.case is case), [play.fault for play in plays if play.case is case]
