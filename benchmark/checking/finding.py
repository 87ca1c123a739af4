"""What a check has found, in one line."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

from benchmark.errors import UserError
from benchmark.faults import ContractError, blamed, in_words, shown

Verdict = Literal["ok", "note", "FAILED"]
Case = TypeVar("Case")


@dataclass(frozen=True)
class Finding:
    """note: worth knowing, and no breach of the contract. FAILED: what is to be mended, with file and line."""

    verdict: Verdict
    what: str
    words: str

    def __str__(self) -> str:
        return f"{self.verdict:<8}{self.what:<13}{self.words}"


class Said(NamedTuple):
    """What a check has to say of a case; cases of the same words share them."""

    words: str = ""
    number: str = ""  # the case's own, in words too


class Note(Exception):
    """A check was kept, and there is something to say of it. The message is one line."""

    def __init__(self, words: str, number: str = "") -> None:
        super().__init__(words)
        self.said = Said(words, number)


def failure(what: str, error: BaseException, place: str, with_: Sequence[str] = ()) -> Finding:
    """``place``: "file:line" for an error that passed through no plug-in and says none itself."""
    words = in_words(error, otherwise=place)
    if (
        not isinstance(error, ContractError)
        and (own := _own(error, place.partition(":")[0]))
        and not words.startswith(own.partition(":")[0])
    ):
        words = f"{own}: {words}"  # it went on into another's file
    if isinstance(error, UserError):  # it is written to be read as it stands
        words = " ".join(str(error).split())
        words = words if ".py:" in words else f"{blamed(error) or place}: {words}"
    named = f" (with {', '.join(with_)})" if with_ else ""
    return Finding("FAILED", what, f"{words}{named}")


def _own(error: BaseException, file: str) -> str:
    """ "file:line, in function" of the last frame in the file that is checked; empty where the error passed through none."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if shown(frame.filename) == file]
    return f"{file}:{frames[-1].lineno}, in {frames[-1].name}" if frames else ""


@dataclass(frozen=True)
class Check(Generic[Case]):
    """``run`` returns what there is to say of a case, or raises Note; any other exception is the case's failure."""

    what: str
    promise: str  # what holds when it is kept
    run: Callable[[Case], Said]


def findings(check: Check[Case], cases: dict[str, Case], place: str) -> Iterator[Finding]:
    """A line for what was kept, one for notes, and one for each place that failed; the cases that failed are taken out of ``cases``."""
    said: dict[str, Said] = {}
    notes: dict[str, Said] = {}
    failed: dict[str, tuple[BaseException, list[str]]] = {}
    tried = len(cases)
    for name, case in list(cases.items()):
        try:
            said[name] = check.run(case)
        except Note as note:
            notes[name] = note.said
        except (Exception, SystemExit) as error:  # a plug-in is foreign code: whatever it raises is what was found
            failed.setdefault(in_words(error, otherwise=place).partition(": ")[0], (error, []))[1].append(name)
            del cases[name]
    if said:
        yield Finding("ok", check.what, "; ".join([check.promise, *_listed(said)]))
    if notes:
        yield Finding("note", check.what, "; ".join(_listed(notes)))
    for raised, names in failed.values():
        yield failure(check.what, raised, place, names if len(names) < tried else ())


def _listed(said: dict[str, Said]) -> list[str]:
    """Each of the words once, with the names of the cases and their numbers; without names where all cases say the same."""
    if len(set(said.values())) == 1:
        [(words, number)] = set(said.values())
        return [" ".join(filter(None, (words, number)))] if words or number else []
    found = []
    for words in dict.fromkeys(one.words for one in said.values()):
        numbers: dict[str, list[str]] = {}
        for name, one in said.items():
            if one.words == words:
                numbers.setdefault(one.number, []).append(name)
        if words or any(numbers):
            by_number = "; ".join(f"{number} {', '.join(names)}".strip() for number, names in numbers.items())
            found.append(f"{words}{words and ': '}{by_number}")
    return found
