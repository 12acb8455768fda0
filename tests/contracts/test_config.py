"""A configuration is right, or refused with every mistake named and no secret shown."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable, Mapping
from datetime import time
from pathlib import Path

import pytest

from bot.chance import SeededChance, SystemChance
from bot.config import Config, load, write_new
from sop.errors import Misconfigured

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
BROKEN = 2_000 if os.environ.get("QUNXING_TEST_NIGHTLY") else 500
SEED = int(os.environ.get("QUNXING_TEST_SEED", "20260704"))
KEY = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aQ"

Load = Callable[..., Config]


@pytest.fixture
def given(tmp_path: Path) -> Load:
    def read(text: str | bytes, environ: Mapping[str, str] | None = None) -> Config:
        path = tmp_path / "config.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path, environ or {})

    return read


@pytest.fixture
def refused(given: Load) -> Callable[..., str]:
    def read(text: str | bytes, environ: Mapping[str, str] | None = None) -> str:
        with pytest.raises(Misconfigured) as caught:
            given(text, environ)
        return str(caught.value)

    return read


Refused = Callable[..., str]


# ---------------------------------------------------------------- what is right


def test_nothing_given_is_a_whole_configuration() -> None:
    config = load(None, {})

    assert config == Config()
    assert config.storage.database.get_secret_value() == "sqlite:///data/qunxing.sqlite"


def test_quiet_hours_are_texts_or_times(given: Load) -> None:
    as_texts = given('[community]\nquiet_hours = ["21:30", "07:00"]')
    as_times = given("[community]\nquiet_hours = [21:30:00, 07:00:00]")

    assert as_texts.community.quiet_hours == as_times.community.quiet_hours == (time(21, 30), time(7))


def test_the_environment_wins_over_the_file(given: Load) -> None:
    config = given(
        "[server]\nport = 1", {"QUNXING_SERVER__PORT": "8443", "QUNXING_COMMUNITY__OPERATORS": "lin, wang"}
    )

    assert config.server.port == 8443
    assert config.community.operators == ("lin", "wang")


def test_the_environment_names_an_entry_by_its_name_or_place(given: Load) -> None:
    environ = {"QUNXING_WECOM__APP__MY_APP__SECRET": "one", "QUNXING_WECOM__APP__1__NAME": "other"}

    config = given('[[wecom.app]]\nname = "my-app"', environ)

    assert [(app.name, app.secret.get_secret_value()) for app in config.wecom.app] == [
        ("my-app", "one"),
        ("other", ""),
    ]


def test_a_secret_may_stand_in_a_file(given: Load, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")

    config = given('[wecom.contact]\nsecret_file = "secret"')

    assert config.wecom.contact.secret.get_secret_value() == "from a file"


def test_a_secret_in_the_environment_replaces_the_file_named_in_the_configuration(given: Load) -> None:
    config = given('[wecom.contact]\nsecret_file = "not there"', {"QUNXING_WECOM__CONTACT__SECRET": "s3cret"})

    assert config.wecom.contact.secret.get_secret_value() == "s3cret"


def test_variables_of_others_are_left_alone() -> None:
    environ = {"QUNXING_CONFIG": "x", "QUNXING_SERVICE_HOST": "10.0.0.1", "QUNXING_PORT": "tcp://10.0.0.1:80"}

    assert load(None, environ) == Config()


def test_the_first_app_reaches_staff_unless_another_is_named(given: Load) -> None:
    apps = '[[wecom.app]]\nname = "a"\n[[wecom.app]]\nname = "b"\n'

    assert given(apps).main_app == "a"
    assert given(f'{apps}[community]\nmain_app = "b"').main_app == "b"


def test_a_file_saved_by_notepad_is_read(given: Load) -> None:
    assert given(b"\xef\xbb\xbf[server]\r\nport = 81\r\n").server.port == 81


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[server]\nprot = 80",
            "server.prot = 80: no such key; did you mean server.port (a port number, 0 to 65535)?",
        ),
        ("[servr]\nport = 80", "servr: no such key; did you mean server?"),
        (
            '[server]\ntimezone = "UTC"',
            'server.timezone = "UTC": no such key; did you mean community.timezone',
        ),
        ('[server]\nport = "80"', 'server.port = "80": expected a port number, 0 to 65535.'),
        ("[server]\nport = 70000", "server.port = 70000: expected a port number"),
        ("[server]\nport = true", "server.port = true: expected a port number"),
        ("server = 5", "server: expected a table, written [server]."),
        ('[wecom.app]\nname = "a"', "wecom.app: expected tables, each written [[wecom.app]]."),
        ("[[wecom.app]]\nagent_id = 1", "wecom.app[0].name is missing: expected a name of"),
        ('[[wecom.app]]\nname = "a/../b"', 'wecom.app[0].name = "a/../b": expected a name of'),
        (
            '[community]\ntimezone = "Asia/Shangai"',
            'community.timezone = "Asia/Shangai": expected a time zone like',
        ),
        (
            '[community]\nquiet_hours = ["25:00", "08:00"]',
            'expected two times like ["22:00", "08:00"], or [] for none.',
        ),
        ('[community]\nmain_app = "x"', "community.main_app = 'x', but no [[wecom.app]] has this name."),
        ("[engagement]\nalarm_line = nan", "engagement.alarm_line = nan: expected a score, 0 to 100."),
        ('[wecom]\napi_base = "qyapi.weixin.qq.com"', "expected an address like https://host."),
        ('[wecom.kf]\ntoken = "t"', "wecom.kf: aes_key is missing; a callback needs both token and aes_key."),
        ('[[wecom.webhook]]\nname = "a"\nkey = ""\n' * 2, "two [[wecom.webhook]] are named 'a'"),
        ("[server]\nport = \n", "config.toml:2:8: Invalid value."),
        ("[server]\nport = 1\nport = 2\n", "config.toml:3:9: Cannot overwrite a value."),
        ("x = " + "9" * 5_000, "Exceeds the limit (4300 digits)"),
        ("x = " + "[" * 50_000, "is nested too deeply."),
        (b"[server]\nhost = '\xff'", "config.toml:2: not UTF-8."),
        (b"#" * (1024 * 1024 + 1), "is larger than 1 MiB."),
    ],
)
def test_a_mistake_is_named_with_key_value_and_what_was_expected(
    text: str, words: str, refused: Refused
) -> None:
    assert words in refused(text)


def test_all_mistakes_are_told_at_once(refused: Refused) -> None:
    said = refused(
        '[server]\nport = "x"\n[log]\nlevel = "loud"\nfromat = "json"', {"QUNXING_SERVER_HOST": "h"}
    )

    assert "4 mistakes" in said
    assert all(key in said for key in ("server.port", "log.level", "log.fromat", "QUNXING_SERVER__HOST"))


@pytest.mark.parametrize(
    "text",
    [
        '[wecom.contact]\nsecert = "{}"',
        '[wecom.contact]\nsecret = ["{}"]',
        '[wecom.contact]\naes_key = "{}"\ntoken = "t"',
        '[wecom.contact]\ntoken = "{}"',
        '[[wecom.app]]\nname = "a"\nsecret = "{}"\nx = 1',
        '[storage]\nrdis = "redis://user:{}@host"',
        '[wecom]\napi_base = "ftp://user:{}@host"',
        '[wecom]\ncontact = "{}"',
        '[wecom.extra]\nsecret = "{}"',
    ],
)
def test_a_refusal_never_shows_a_secret(text: str, refused: Refused) -> None:
    assert "c4nary" not in refused(text.replace("{}", "c4nary-c4nary"))


def test_a_secret_is_hidden_when_the_configuration_is_printed(given: Load) -> None:
    config = given(
        f'[storage]\ndatabase = "postgresql://u:c4nary@h/d"\n[wecom.kf]\ntoken = "c4nary"\naes_key = "{KEY}"\n'
    )

    assert "c4nary" not in f"{config!r}{config}"
    assert set(config.secrets()) == {"c4nary", KEY}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("QUNXING_SERVER_PORT", "did you mean QUNXING_SERVER__PORT"),
        ("QUNXING_SERVER__PROT", "did you mean QUNXING_SERVER__PORT"),
        ("QUNXING_WECOM__APP__X__SECRET", "QUNXING_WECOM__APP__X__SECRET is no key"),
        ("QUNXING_SERVER", None),
        ("QUNXING_SERVER__", "QUNXING_SERVER__ is no key"),
        ("QUNXING_SERVER__PORT__X", "QUNXING_SERVER__PORT__X is no key"),
        ("QUNXING_SERVER__PORT", 'server.port = "c4nary": expected a port number'),
    ],
)
def test_a_variable_that_means_no_key_is_refused(
    name: str, words: str | None, refused: Refused, given: Load
) -> None:
    if words is None:
        assert given("", {name: "c4nary"}) == Config()
    else:
        assert words in refused("", {name: "c4nary"})


def test_a_secret_file_that_cannot_be_read_is_named(refused: Refused) -> None:
    assert 'wecom.kf.secret_file = "gone": cannot be read: No such file' in refused(
        '[wecom.kf]\nsecret_file = "gone"'
    )
    assert "secret is given too" in refused('[wecom.kf]\nsecret = "a"\nsecret_file = "gone"')


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="qunxing init"):
        load(tmp_path / "config.toml", {})


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        load(tmp_path, {})


# ---------------------------------------------------------------- broken files


def test_broken_files_are_refused_in_words_and_nothing_crashes(given: Load) -> None:
    chance = random.Random(SEED)
    source = EXAMPLE.read_bytes()
    broken = tried = 0
    print(f"seed {SEED}")
    while broken < BROKEN:
        tried += 1
        assert tried < BROKEN * 10, f"seed {SEED}: too few of the files are broken"
        try:
            given(_damaged(source, chance))
        except Misconfigured:
            broken += 1


def _damaged(source: bytes, chance: random.Random) -> bytes:
    text = bytearray(source)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text))
        match chance.randrange(6):
            case 0:
                del text[at : at + chance.randint(1, 40)]
            case 1:
                text[at:at] = chance.randbytes(chance.randint(1, 4))
            case 2:
                text[at:at] = chance.choice(
                    [b'"', b"[", b"]", b"=", b"\n", b"{", b"'''", b"1e999", b"\x00", b"\\u12"]
                )
            case 3:
                values = [
                    b"-1",
                    b"1e400",
                    b"{a = 1}",
                    b"[[]]",
                    b'"\\ud800"',
                    b"2026-02-30",
                    b"true",
                    b"nan",
                    b"0x" * 9,
                ]
                start = text.find(b" = ", at) + 3
                text[start : text.find(b"\n", start)] = chance.choice(values)
            case 4:
                text[at:at] = text[:at][-chance.randint(1, 400) :]
            case _:
                text[at] = text[at] ^ (1 << chance.randrange(8))
    return bytes(text)


# ---------------------------------------------------------------- the first one


def test_a_new_configuration_loads_and_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    path = write_new(tmp_path / "new", SystemChance())

    config = load(path, {})
    assert config.wecom.app[0].opens
    assert config.wecom.contact.opens
    assert config.wecom.kf.opens
    assert len(config.console.administrator_password.get_secret_value()) == 20
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_new_configurations_share_no_secret(tmp_path: Path) -> None:
    first, second = (write_new(tmp_path / str(seed), SeededChance(seed)) for seed in (1, 2))

    assert not set(load(first, {}).secrets()) & set(load(second, {}).secrets())


def test_an_existing_configuration_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("mine")

    with pytest.raises(Misconfigured, match="exists already"):
        write_new(tmp_path, SystemChance())
    assert (tmp_path / "config.toml").read_text() == "mine"
