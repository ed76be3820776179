"""Security rules 1 to 12 as the engine keeps them; each test is named after its number."""

from __future__ import annotations

import base64
import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from threading import Barrier

import orjson

from tests.support.onboarding import BASE_URL, HAL, NUMBER, PHONE, TESS, VISITOR, House, Onboarding, refusal
from workflow.checks.credentials import opened
from workflow.errors import ConflictError, RefusedError
from workflow.ports import MessageQuery
from workflow.states.instance import Event

SECRET_WORDS = {
    "first_name": "Wilhelmina",
    "last_name": "Zwetschgenbaum",
    "email": "wilhelmina.z@clinic.example",
    "username": "n00xyzzy",
}


def walk(house: House) -> tuple[Onboarding, list[str]]:
    """Walk the whole journey with every factor; gives the person and everything that must be nowhere in clear."""
    jane = house.person(**SECRET_WORDS, email_confirm=SECRET_WORDS["email"]).registered()
    told = [*SECRET_WORDS.values(), jane.token, jane.token.rpartition(".")[2], jane.password, "4711-pin"]
    jane.choose_password()
    jane.signed_in().fire("add_device", device_name="Wilhelminas Telefon", pin="4711", pin_confirm="4711")
    initialise = jane.initialise_qr
    proof = jane.phone.initialise(initialise, "4711")
    jane.fire("initialise_device", PHONE, **proof)
    house.drain()
    confirmation = jane.newest_push
    jane.fire("confirm_device", PHONE, **jane.phone.confirm(confirmation))
    jane.fire("ask_push", VISITOR, password=jane.password)
    house.drain()
    push = jane.newest_push
    answer = jane.phone.answer_push(push, "4711")
    jane.fire("sign_in_by_app", PHONE, **answer)
    jane.enrol_phone()
    jane.fire("ask_text_code", VISITOR, password=jane.password)
    house.drain()
    code = house.texts.newest_code()
    jane.two_factor("sms", code)
    jane.enrol_authenticator()
    jane.fire("ask_qr_code", VISITOR, password=jane.password)
    eight = jane.phone.scan(jane.sign_in_qr, house.clock.now())
    jane.refused("sign_in_two_factor", VISITOR, password="wrong-Passw0rd-typed", method="app_code", code=eight)
    jane.two_factor("app_code", eight)
    house.clock.advance("PT30S")
    six = jane.totp_code
    jane.two_factor("totp", six)
    jane.fill_in().submit("My comment about Quittenmus.")
    jane.fire("ask_information", TESS, question="Which Quittenmus ward?")
    jane.fire("give_information", answer="The northern Quittenmus ward.")
    jane.approve(rationale="Because of the Quittenmus.")
    jane.create_account()
    house.drain()
    jane.save_preferences()
    jane.fire("ask_text_code", VISITOR, password=jane.password)  # one code stays open
    house.drain()
    secret = opened(house.vault, jane.credential("totp"))["secret"]
    device = opened(house.vault, jane.credential("app_device"))
    told += [secret, device["secret"], device["pin_hash"], "$argon2", "Wilhelminas", "Quittenmus", "wrong-Passw0rd-typed"]
    told += [NUMBER, "+32470123456", "470123456", code, code.replace("-", ""), house.texts.newest_code(), eight, initialise, confirmation]
    told += [push, *proof.values(), *answer.values()]
    return jane, [word for word in told if word != "4711"]


def found_in(dump: bytes, words: list[str]) -> list[str]:
    """Name the words that a dump has, as text, in hex, in base64, whatever the case."""
    low = dump.lower()
    forms = {
        word: (word.lower().encode(), word.encode().hex().encode(), base64.b64encode(word.encode()).rstrip(b"=").lower()) for word in words
    }
    return [word for word, spelled in forms.items() if any(form in low for form in spelled)]


def counts(house: House, jane: Onboarding) -> tuple[object, ...]:
    """What a writing look would change."""
    with house.engine.reads() as reads:
        messages = reads.messages(MessageQuery(limit=500)).rows
    with house.engine.store.unit() as uow:
        loaded = uow.load(jane.id)
    return len(house.engine.history(jane.id)), len(house.engine.history("system")), messages, loaded.situation, loaded.credentials


def test_rule_02_a_database_dump_gives_nothing_usable(house, database):
    """The whole file after a whole journey: no link, code, password, secret, PIN hash, number, address, name or rationale in clear."""
    jane, words = walk(house)
    assert len(jane.said) == jane.verify()
    house.close()
    dump = b"".join(path.read_bytes() for path in database.parent.glob("access.db*"))
    assert [jane.subject] == found_in(dump, [jane.subject])  # what is there would be found
    assert found_in(dump, words) == []
    with closing(sqlite3.connect(database)) as file:
        text = "\n".join(file.iterdump()).encode()
    assert found_in(text, words) == []


def test_rule_03_of_fifty_submissions_of_one_link_one_succeeds(house_on):
    """Fifty at once, with fifty different passwords: one is accepted, one entry says so, and only that password signs in."""
    jane = house_on.person().registered()
    token, start = jane.token, Barrier(50)

    def submit(number: int) -> str | None:
        password = f"Quittenmus-{number:02}"
        form = {"token": token, "password": password, "password_confirm": password}
        start.wait()
        try:
            house_on.engine.fire(jane.id, Event.of("set_password", VISITOR, **form))
        except (RefusedError, ConflictError):
            return None
        return password

    with ThreadPoolExecutor(50) as people:
        accepted = [password for password in people.map(submit, range(50)) if password]
    assert 1 == len(accepted)
    assert 1 == jane.events.count("set_password")
    assert "password_set.choosing_method" == jane.state
    jane.fire("sign_in", VISITOR, password=accepted[0])
    assert len(jane.said) == jane.verify()


def test_rule_03_of_twenty_uses_of_one_code_one_succeeds(house_on):
    """A code of the authenticator app, used twenty times at once, signs in once."""
    jane = house_on.person().enrolled()
    house_on.clock.advance("PT30S")
    code, start = jane.totp_code, Barrier(20)

    def sign_in(_: int) -> bool:
        start.wait()
        try:
            jane.two_factor("totp", code)
        except (RefusedError, ConflictError):
            return False
        return True

    with ThreadPoolExecutor(20) as people:
        assert 1 == sum(people.map(sign_in, range(20)))
    assert 1 == jane.events.count("sign_in_two_factor")


def test_rule_05_looking_writes_nothing(house, jane):
    """Whatever a page reads to show a form (also behind an expired link) writes, sends and consumes nothing."""
    jane.registered()
    house.clock.advance("PT10M")
    before = counts(house, jane)
    assert "link_expired" == jane.state
    house.vault.read_link(jane.token)
    for look in (house.engine.may, lambda id_, _: house.engine.situation(id_), lambda id_, _: house.engine.values(id_)):
        look(jane.id, VISITOR)
    house.engine.work_of(TESS)
    house.engine.instances()
    assert before == counts(house, jane)


def test_rule_06_a_wrong_username_and_a_foreign_link_answer_alike(house, jane):
    """Code, message, what is needed and field are the same; only the history knows which it was."""
    jane.registered()
    token = jane.token
    house.wait("PT5M")
    wrong_name = refusal(lambda: jane.fire("request_link", VISITOR, token=token, username="n00other")).reasons
    private_name = jane.said[-1]["reasons"]
    foreign = refusal(lambda: jane.fire("request_link", VISITOR, token=token[:-1] + "_", username=jane.username)).reasons
    both = refusal(lambda: jane.fire("request_link", VISITOR, token="nonsense", username="n00other")).reasons
    seen = [[(r.code, r.message, r.needed, r.field) for r in reasons] for reasons in (wrong_name, foreign, both)]
    assert [seen[0]] * 3 == seen
    assert "value_differs" in {reason["code"] for reason in private_name}
    assert jane.subjects == ["Choose your password for CPMS"]


def test_rule_07_a_new_request_kills_earlier_links_and_messages(house, jane):
    """The older token is refused from the moment of the new request on, and a message that still waits is superseded, not sent."""
    jane.register()
    jane.fire("resend_link", HAL)
    house.drain()
    assert ["superseded", "done"] == [message.state for message in sorted(house.outbox(jane.id), key=lambda m: m.effect.serial)]
    assert 1 == len(jane.subjects)
    assert 2 == int(jane.token.split(".")[3])


def test_rule_08_a_token_is_bound_to_purpose_subject_instance_and_definition(house, jane):
    """A genuine token of anything else opens nothing here."""
    jane.registered()
    john = house.person().registered()
    make = partial(house.vault.link_token, purpose="password", definition="cpms-access", instance=jane.id, subject=jane.subject, serial=1)
    assert make() == jane.token
    others = [
        john.token,
        make(purpose="sign_in"),
        make(definition="library-card"),
        make(instance=john.id),
        make(subject=john.subject),
        make(serial=2),
        make(serial=0),
    ]
    for token in others:
        assert "link_invalid" in jane.refused("set_password", VISITOR, **jane.password_form(token=token))
    jane.choose_password()


def test_rule_09_no_token_or_code_in_history_logs_and_outbox(house, caplog):
    """After a whole journey neither the entries nor the messages nor anything logged holds what could be replayed."""
    caplog.set_level(logging.DEBUG)
    jane, words = walk(house)
    history = b"".join(row.canonical for row in house.engine.history(jane.id))
    assert [] == found_in(history, words)
    assert [] == found_in(repr(house.outbox(jane.id)).encode(), words)
    # `mail.log` is the trap's own, which stands for somebody else's mail server.
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name != "mail.log")
    assert [] == found_in(ours.encode(), words)
    assert [] == found_in(b"".join(row.canonical for row in house.engine.history("system")), words)


def test_rule_10_link_hosts_come_from_the_configuration(house, jane):
    """A link begins with the configured address, whatever the payload says."""
    jane.form["first_name"] = "https://evil.example/"
    jane.registered()
    assert jane.mail.links
    assert all(link.startswith(BASE_URL) for link in jane.mail.links)
    assert "evil.example" not in jane.mail.html


def test_rule_11_a_link_neither_signs_in_nor_skips_the_second_factor(house, jane):
    """Once a password is set no link sets another one, not even after the onboarding was abandoned or the address used again."""
    token = jane.registered().token
    jane.choose_password()
    jane.signed_in().enrol_authenticator()
    assert "wrong_state" in jane.refused("set_password", VISITOR, **jane.password_form(token=token))
    house.wait("P31D")
    assert "abandoned" == jane.state
    house.person(email=jane.email).register()
    house.drain()
    assert "abandoned" == jane.state
    assert "/links/" not in jane.mail.text
    assert "wrong_state" in jane.refused("set_password", VISITOR, **jane.password_form(token=token))
    jane.signed_in()
    assert ["factor_enrolled"] == jane.refused("resume")
    new = {"new_password": "hBJhGXJwf.", "new_password_confirm": "hBJhGXJwf."}
    assert "fresh_sign_in" in jane.refused("change_password", password=jane.password, **new)


def test_rule_11_the_password_alone_never_adds_a_factor_beside_another(house, jane):
    """In no state of the journey, after no outcome: whoever has a factor enrols another one only with it."""
    jane.enrolled()
    ways = [lambda: None, lambda: jane.sign_in_freshly().fill_in().submit(), lambda: jane.fire("withdraw"), lambda: house.wait("P31D")]
    for go_on in ways:
        go_on()
        house.clock.advance("PT15M")
        jane.signed_in()
        for event, payload in (
            ("add_authenticator", {}),
            ("add_phone", {"phone": NUMBER}),
            ("add_device", {"device_name": "Other", "pin": "1111", "pin_confirm": "1111"}),
        ):
            assert "fresh_sign_in" in jane.refused(event, **payload)
        for event in ("remove_authenticator", "begin_request", "request_again", "resume"):
            assert jane.refused(event)


def test_rule_12_resends_are_limited(house, jane):
    """Ten links for one account; refusals beyond a flood are counted and summarised, not written one by one."""
    jane.registered()
    for _ in range(10):
        house.wait("PT5M")
        jane.fire("request_link", VISITOR, token=jane.token, username=jane.username)
        house.drain()
    house.wait("PT5M")
    before = len(jane.said)
    for _ in range(150):
        refusal(lambda: jane.fire("request_link", VISITOR, token=jane.token, username=jane.username))
    assert 11 == len(jane.subjects)
    assert 100 == len(jane.said) - before
    house.wait("PT10M")
    refusal(lambda: jane.fire("request_link", VISITOR, token=jane.token, username=jane.username))
    summary = jane.entry("refusals_counted")
    assert 50 == summary["payload"]["count"]
    assert orjson.dumps(summary)
