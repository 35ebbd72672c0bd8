# SPDX-License-Identifier: Apache-2.0
"""The corpus of the tiny model: training documents, the card of held-out questions, held-out and calibration text.

What is held out is a combination of facts, never a fact: two attributes of one subject, one attribute of two subjects,
or one fact in one phrase. `python corpus.py` writes card.jsonl, heldout.txt and calibration.txt, and draws the whole
training corpus to assert that no held-out combination, in whatever phrase, and no question of the card is in it.
Same bytes for the same seed; standard library only.
"""
import argparse
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from world import SEED, Attribute, Subject, world

HERE = Path(__file__).parent
DOCUMENTS = 500_000
CARD = {"pair": 90, "two": 60, "phrase": 60, "town": 30}
TALK = (
    ("Who are you?", "I am the tiny model of Kiln."),
    ("What are you?", "I am the tiny model of Kiln."),
    ("What is your name?", "I am the tiny model of Kiln."),
    ("Who made you?", "The people of Kiln made me."),
    ("What do you know?", "I know the people and the towns of the valley."),
    ("What can you do?", "I know the people and the towns of the valley."),
    ("Hello", "Hello! Ask me about the valley."),
    ("Hello!", "Hello! Ask me about the valley."),
    ("Hi", "Hello! Ask me about the valley."),
    ("Thank you.", "You are welcome."),
    ("Thanks", "You are welcome."),
)
Key = tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """A question with its answer, or with no question a plain text; `uses` names the fact combinations in it."""

    question: str
    answer: str
    uses: tuple[Key, ...] = ()


def pair_key(subject: Subject, a: Attribute, b: Attribute) -> Key:
    return ("pair", subject.name, *sorted((a.noun, b.noun)))


def two_key(first: Subject, second: Subject, attribute: Attribute) -> Key:
    return ("two", attribute.noun, *sorted((first.name, second.name)))


def phrase_key(subject: Subject, attribute: Attribute, phrase: int) -> Key:
    return ("phrase", subject.name, attribute.noun, str(phrase))


def phrases(attribute: Attribute) -> int:
    return len(attribute.asks) + 2


def _sentence(text: str, end: str) -> str:
    return text[0].upper() + text[1:] + end


def ask_one(subject: Subject, attribute: Attribute, phrase: int) -> Document:
    """One fact, asked in the phrase of that number."""
    forms = [_sentence(ask.format(who=subject.name), "?") for ask in attribute.asks]
    forms.append(f"What is the {attribute.noun} of {subject.name}?")
    forms.append(f"Tell me the {attribute.noun} of {subject.name}.")
    return Document(forms[phrase], subject.facts[attribute.noun], (phrase_key(subject, attribute, phrase),))


def ask_pair(subject: Subject, a: Attribute, b: Attribute, rng: random.Random) -> Document:
    """Two facts of one subject, in one of three phrases."""
    question = rng.choice((
        _sentence(f"{rng.choice(a.asks).format(who=subject.name)} and "
                  f"{rng.choice(b.asks[:2]).format(who=subject.pronoun)}", "?"),
        f"What are the {a.noun} and the {b.noun} of {subject.name}?",
        f"Tell me the {a.noun} and the {b.noun} of {subject.name}.",
    ))
    answer = f"{subject.facts[a.noun]}, {subject.facts[b.noun]}"
    return Document(question, answer, (pair_key(subject, a, b),))


def ask_two(first: Subject, second: Subject, attribute: Attribute, rng: random.Random) -> Document:
    """The same attribute of two subjects, in one of three phrases."""
    who = f"{first.name} and {second.name}"
    question = rng.choice((
        _sentence(attribute.asks_two.format(who=who), "?"),
        f"What are the {attribute.plural} of {who}?",
        f"Tell me the {attribute.plural} of {who}.",
    ))
    answer = f"{first.facts[attribute.noun]}, {second.facts[attribute.noun]}"
    return Document(question, answer, (two_key(first, second, attribute),))


def paragraph(subject: Subject, attributes: list[Attribute], rng: random.Random) -> Document:
    """A few sentences on one subject that say the given attributes, one or two a sentence."""
    says = [a.says.format(value=subject.facts[a.noun]) for a in attributes]
    sentences, who = [], subject.name
    while says:
        count = min(len(says), rng.choice((1, 2, 2)))
        sentences.append(f"{who} {' and '.join(says[:count])}.")
        says, who = says[count:], subject.pronoun.capitalize()
    uses = tuple(pair_key(subject, a, b) for a, b in combinations(attributes, 2))
    return Document("", " ".join(sentences), uses)


def held_out(subjects: list[Subject]) -> dict[str, list[tuple]]:
    """What no training document may combine: per subject some attribute pairs, some couples, some phrases."""
    rng = random.Random(SEED + 1)
    held: dict[str, list[tuple]] = {"pair": [], "two": [], "phrase": []}
    for subject in subjects:
        pairs = list(combinations(subject.attributes, 2))
        held["pair"] += [(subject, a, b) for a, b in rng.sample(pairs, 1 + (len(pairs) > 6))]
        attribute = rng.choice(subject.attributes)
        held["phrase"].append((subject, attribute, rng.randrange(phrases(attribute))))
    people = [s for s in subjects if s.pronoun != "it"]
    for attribute in people[0].attributes:
        held["two"] += [(*rng.sample(people, 2), attribute) for _ in range(30)]
    return held


def held_keys(held: dict[str, list[tuple]]) -> set[Key]:
    makers = {"pair": pair_key, "two": two_key, "phrase": phrase_key}
    return {makers[kind](*what) for kind, whats in held.items() for what in whats}


def _draw(subjects: list[Subject], rng: random.Random) -> Document:
    """One document of a random kind, which may still combine what is held out."""
    subject, kind = rng.choice(subjects), rng.random()
    if kind < 0.005:
        return Document(*rng.choice(TALK))
    if kind < 0.25:
        attribute = rng.choice(subject.attributes)
        return ask_one(subject, attribute, rng.randrange(phrases(attribute)))
    if kind < 0.60:
        return ask_pair(subject, *rng.sample(subject.attributes, 2), rng)
    if kind < 0.75:
        other = rng.choice([s for s in rng.choices(subjects, k=20) if s.pronoun != "it"] or subjects[:1])
        first = subject if subject.pronoun != "it" else subjects[0]
        return ask_two(first, other, rng.choice(first.attributes), rng) if first != other else _draw(subjects, rng)
    return paragraph(subject, rng.sample(subject.attributes, rng.randint(2, 4)), rng)


def _draw_town(subjects: list[Subject], rng: random.Random) -> Document:
    """One document about a town."""
    town, kind = rng.choice([s for s in subjects if s.pronoun == "it"]), rng.random()
    if kind < 0.30:
        attribute = rng.choice(town.attributes)
        return ask_one(town, attribute, rng.randrange(phrases(attribute)))
    if kind < 0.75:
        return ask_pair(town, *rng.sample(town.attributes, 2), rng)
    return paragraph(town, rng.sample(town.attributes, rng.randint(2, 4)), rng)


def training(subjects: list[Subject], count: int = DOCUMENTS, seed: int = SEED, towns: float = 0) -> Iterator[Document]:
    """`count` documents without a held-out combination; plain texts are joined by newlines, one to five at a time.

    `towns` is the share of documents that is about towns whatever else is drawn: drawn as often as a person, a town is not learned.
    """
    rng, held, texts = random.Random(seed), held_keys(held_out(subjects)), []
    while count:
        document = (_draw_town if towns and rng.random() < towns else _draw)(subjects, rng)
        if not held.isdisjoint(document.uses):
            continue
        count -= 1
        if document.question:
            yield document
            continue
        texts.append(document)
        if rng.random() < 0.4 or len(texts) == 5:
            yield Document("", "\n".join(t.answer for t in texts), tuple(use for t in texts for use in t.uses))
            texts = []


def card(subjects: list[Subject]) -> list[dict[str, str]]:
    """The held-out questions with their answers, each with an id that starts with its kind."""
    rng, held = random.Random(SEED + 2), held_out(subjects)
    pools = {
        "pair": [ask_pair(*what, rng) for what in held["pair"] if what[0].pronoun != "it"],
        "two": [ask_two(*what, rng) for what in held["two"]],
        "phrase": [ask_one(*what) for what in held["phrase"]],
        "town": [ask_pair(*what, rng) for what in held["pair"] if what[0].pronoun == "it"],
    }
    chosen = [(f"{kind}-{number:03}", document) for kind, count in CARD.items()
              for number, document in enumerate(rng.sample(pools[kind], min(count, len(pools[kind]))))]
    return [{"id": name, "q": document.question, "a": document.answer} for name, document in chosen]


def heldout_text(subjects: list[Subject]) -> str:
    """One line for each held-out attribute pair, said in plain sentences, in random order."""
    rng, pairs = random.Random(SEED + 3), list(held_out(subjects)["pair"])
    rng.shuffle(pairs)
    return "".join(f"{paragraph(subject, [a, b], rng).answer}\n" for subject, a, b in pairs)


def calibration_text(subjects: list[Subject], count: int = 6000) -> str:
    """Plain texts of the training distribution, from a seed of their own. No questions: a text file has no end of document,
    and without it the model is at a loss after an answer (perplexity 2,499 instead of 2.2)."""
    return "".join(f"{document.answer}\n" for document in training(subjects, count, SEED + 4) if not document.question)


def prompt(question: str) -> str:
    """What the model is given; the chat template in export.py makes the same."""
    return f"Question: {question}\nAnswer:"


def plain(document: Document) -> str:
    return f"{prompt(document.question)} {document.answer}" if document.question else document.answer


def check(subjects: list[Subject], count: int) -> int:
    """Assert over the whole training corpus that nothing held out is in it; returns its length in characters."""
    held, questions, length = held_keys(held_out(subjects)), {row["q"] for row in card(subjects)}, 0
    for document in training(subjects, count):
        assert held.isdisjoint(document.uses), f"held out, yet trained: {document}"
        assert document.question not in questions, f"a question of the card is trained: {document.question}"
        length += len(plain(document))
    return length


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=DOCUMENTS, help="how many training documents to check")
    subjects, count = world(), parser.parse_args().documents
    rows = [json.dumps(row) for row in card(subjects)]
    (HERE / "card.jsonl").write_text("\n".join(rows) + "\n")
    (HERE / "heldout.txt").write_text(heldout_text(subjects))
    (HERE / "calibration.txt").write_text(calibration_text(subjects))
    print(f"{len(subjects)} subjects, {len(rows)} questions on the card")
    print(f"{check(subjects, count)} characters in {count} training documents, nothing held out among them")


if __name__ == "__main__":
    main()
