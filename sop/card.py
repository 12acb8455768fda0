"""Cards: what a message shows where words alone would not do, with something to press.

Five sorts: a notice in words, a notice with a picture, buttons, a vote, a questionnaire. A card says what it means; what
the platform allows of it is checked where it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Colour(IntEnum):
    """Of the line that says where a card comes from."""

    GREY = 0
    BLACK = 1
    RED = 2
    GREEN = 3


class Style(IntEnum):
    """Of a button."""

    PLAIN = 1
    STRONG = 2
    WARNING = 3
    FRAMED = 4


@dataclass(frozen=True)
class Opening:
    """Where a press leads: an address, or a page of a mini program; with neither it leads nowhere."""

    url: str = ""
    app_id: str = ""
    page: str = ""


@dataclass(frozen=True)
class Source:
    """Where a card comes from."""

    words: str
    icon: str = ""
    colour: Colour = Colour.GREY


@dataclass(frozen=True)
class Action:
    """An entry of the menu in a card's corner, or an option to tick or to pick."""

    key: str
    text: str


@dataclass(frozen=True)
class Menu:
    """The menu in a card's corner: one to three things to do about it."""

    words: str
    actions: tuple[Action, ...]


@dataclass(frozen=True)
class Quote:
    """Words a card quotes."""

    text: str
    title: str = ""
    opens: Opening = Opening()


@dataclass(frozen=True)
class Fact:
    """A name and a value in one line; the value may open an address, a file or an employee's profile."""

    name: str
    value: str
    url: str = ""
    media: str = ""  # the platform's number of an uploaded file
    staff: str = ""


@dataclass(frozen=True)
class Jump:
    """A line that leads elsewhere; with a question it asks the robot."""

    title: str
    opens: Opening = Opening()
    question: str = ""


@dataclass(frozen=True)
class Button:
    key: str
    text: str
    style: Style = Style.PLAIN


@dataclass(frozen=True)
class Picker:
    """One question answered by picking one of a few."""

    key: str
    options: tuple[Action, ...]
    title: str = ""
    chosen: str = ""
    closed: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture by its address; ``ratio`` is width over height."""

    url: str
    ratio: float = 1.3


@dataclass(frozen=True)
class Beside:
    """A small picture on the left, words on its right."""

    picture: str
    title: str = ""
    text: str = ""
    opens: Opening = Opening()


@dataclass(frozen=True, kw_only=True)
class Card:
    """What all cards have. ``task`` is what the card is about: it comes back with every press."""

    title: str = ""
    text: str = ""
    task: str = ""
    source: Source | None = None
    menu: Menu | None = None


@dataclass(frozen=True, kw_only=True)
class Detailed(Card):
    """What notices and buttons have besides."""

    quote: Quote | None = None
    note: str = ""  # smaller, below the title
    facts: tuple[Fact, ...] = ()
    opens: Opening | None = None


@dataclass(frozen=True, kw_only=True)
class Notice(Detailed):
    """Something to know, in words; ``emphasis`` is a figure and what it counts."""

    emphasis: tuple[str, str] = ("", "")
    jumps: tuple[Jump, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PictureNotice(Detailed):
    """Something to know, with a picture: across the card, or small beside the words."""

    picture: Picture | None = None
    beside: Beside | None = None
    passages: tuple[tuple[str, str], ...] = ()  # title and text, one below the other
    jumps: tuple[Jump, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Buttons(Detailed):
    """Something to decide by pressing one of a few buttons."""

    buttons: tuple[Button, ...]
    picker: Picker | None = None


@dataclass(frozen=True, kw_only=True)
class Vote(Card):
    """One question, one answer or several."""

    key: str
    options: tuple[Action, ...]
    many: bool = False
    checked: tuple[str, ...] = ()
    closed: bool = False
    submit: str = "提交"


@dataclass(frozen=True, kw_only=True)
class Questionnaire(Card):
    """Up to three questions, answered together."""

    pickers: tuple[Picker, ...]
    submit: str = "提交"


CARDS: dict[str, type[Card]] = {
    "notice": Notice,
    "picture_notice": PictureNotice,
    "buttons": Buttons,
    "vote": Vote,
    "questionnaire": Questionnaire,
}
