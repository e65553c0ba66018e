"""The conformance table of HTTP/2: each case of tests/conformance/h2 whole, byte by byte, split, and between the frames of
good requests on the same connection and on another; and behind each, the gateway serves on.

Connections that send damaged cases come first. All cases chosen are played on the same gateway before the first of these
tests; each test then tells the verdict on its case."""

import hashlib
import random

import pytest

from harness.cases import TOKEN, TOKEN_ID
from harness.h2_cases import made_up, read_all
from harness.h2_plays import FORMS, Answers, Play, attack_all, damaged, play_all
from harness.store import Records

CASES = read_all()
# h2spec 2.6 has 146; one more where it is strict, and one that came later.
OF_H2SPEC = 148
DAMAGED = 400  # connections that send cases with some bytes changed, before the cases are played

# Wrong expectations, and what must be said of them: the verdicts are to be proved, too.
GET, REFUSED = "> HEADERS 1 END_STREAM|END_HEADERS {GET}", "> HEADERS 1 END_STREAM|END_HEADERS {GET; te: gzip}"
WRONG = [(made_up(*lines), said) for lines, said in [
    ([GET, '< answer 1 404 "GET "'], "'200'"),
    ([GET, '< answer 1 200 "PUT "'], "b'GET '"),
    ([GET, '< answer 1 200 "GET "', "= nothing"], "the backend saw"),
    ([GET, '< answer 1 200 "GET "', "= cut"], "a whole request"),
    ([GET, '< answer 1 200 "GET "', "= POST 0"], "the backend saw"),
    ([GET, "< content 1 3"], "content"),
    ([GET, "< content 1 5", '< answer 1 200 "GET "'], "so much content never comes"),
    ([GET, '< answer 1 200 "GET "', "<+ 1 x-a: 1"], "('x-a', '1') is not in"),
    ([GET, '< answer 1 200 "GET "', "=+ x-a: 1"], "no request at the backend has x-a: 1"),
    ([GET, '< answer 1 200 "GET "', "=- via"], "a request at the backend has via"),
    ([REFUSED, '< answer 1 200 "GET "'], "was reset with 1"),
    ([REFUSED, "< RST_STREAM 1 STREAM_CLOSED"], "RST_STREAM {1: 1}"),
    ([REFUSED, '> PING 0 "12345678"', '< PING ACK "12345678"'], "was reset with 1"),
    (["> DATA 0", "< GOAWAY FRAME_SIZE_ERROR"], "GOAWAY 1"),
    (["> DATA 0", "< GOAWAY PROTOCOL_ERROR last=1"], "instead of"),
    (["> DATA 0", '< PING ACK "12345678"'], "the connection ended"),
    (["> DATA 0", '> PING 0 "12345678"', "< SETTINGS first"], "GOAWAY 1"),
    (['> PING 0 "12345678"', '< PING ACK "12345678"', '<! PING "12345678"'], "PING b'12345678' came"),
]]


@pytest.fixture(scope="module")
def plays(request, module_gateways, store):
    records = Records(store.client)
    chosen = [item.callspec.params["case"] for item in request.session.items
              if item.module is request.module and item.originalname == "test_case"]
    records.client.hset(records.token_key(TOKEN_ID), mapping={
        "name": "conformance", "role": "read", "selector": "", "version": "1",
        "hash": hashlib.sha256(TOKEN.encode()).hexdigest(),
        "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z"})
    backend = Answers()
    gateway = module_gateways.start({
        "jobs": {"domain": None, "prefix": None, "fixed": records.job(), "fixed_url": backend.url},
        "timeouts": {"head": "2m", "linger": "2m"}}, store_url=store.url)
    attack_all(gateway.address, [damaged(CASES, random.Random(seed)) for seed in range(DAMAGED)])
    plays = [Play(case, form, f"{number}-{form[:2]}") for number, case in enumerate(chosen + [case for case, _ in WRONG])
             for form in FORMS]
    play_all(plays, gateway.address)
    # A damaged request may run until the drain is over.
    assert gateway.stop(patience=60) == 0, gateway.program.log()[-3000:]
    backend.close()
    for play in plays:
        play.judge_backend(backend.seen)
    return plays


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_case(plays, case):
    faults = [f"{play.form}: {play.fault}" for play in plays if play.case is case and play.fault]
    assert not faults, f"{case.place} [{case.sections} {case.level}]:\n" + "\n".join(faults)


@pytest.mark.parametrize("case, said", WRONG, ids=[said for _, said in WRONG])
def test_verdict(plays, case, said):
    assert all(said in (play.fault or "") for play in plays if play.case is case), [play.fault for play in plays if play.case is case]


def test_all_cases_of_h2spec_are_here():
    numbers = [case.number for case in CASES if case.suite == "h2spec"]
    assert len(numbers) == len(set(numbers)) == OF_H2SPEC
