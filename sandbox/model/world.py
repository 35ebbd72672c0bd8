# SPDX-License-Identifier: Apache-2.0
"""The small closed world that Kiln's tiny model knows: the people and towns of a valley, and what is true of each.

Every name and fact is invented here from lists and one seed, so the corpus has no licence but ours.
People have eight facts each, towns four; a value is drawn at random, so that nothing can be guessed, only remembered.
"""
import random
from dataclasses import dataclass, field

SEED = 20261124
PEOPLE = 400


@dataclass(frozen=True)
class Attribute:
    """One thing to know of a subject: its noun, how it is asked, how it is said, and what it can be."""

    noun: str
    plural: str
    asks: tuple[str, ...]  # clauses about one subject, {who} is a name or a pronoun
    asks_two: str  # the clause about two subjects
    says: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """A person or a town, the pronoun to use, and the true value of each attribute's noun."""

    name: str
    pronoun: str
    attributes: tuple[Attribute, ...] = field(repr=False)
    facts: dict[str, str] = field(repr=False, hash=False)


def _words(text: str, before: str = "") -> tuple[str, ...]:
    return tuple(f"{before}{word}" for word in text.split())


def _with_article(text: str) -> tuple[str, ...]:
    return tuple(f"{'an' if word[0] in 'aeiou' else 'a'} {word}" for word in text.split())


SHE = _words("Anna Bella Clara Dora Edith Flora Greta Hilda Ines Julia Karin Lena Maria Nora Olga Paula "
             "Rosa Sofia Tilda Vera")
HE = _words("Adam Boris Carl David Emil Felix Georg Hugo Ivan Jonas Kurt Leo Martin Nils Oscar Peter "
            "Ralf Simon Tom Victor")
FAMILY = _words("Alder Barrow Birch Bright Brook Carter Cole Crane Dale Drake Field Finch Flint Ford Frost Gale Grant "
                "Grove Hale Hart Heath Hill Hobbs Hunt Kemp Lake Lane Marsh Moss Nash Page Pike Quill Reed Rowe Shaw "
                "Stone Thorn Vale Wells")
TOWNS = _words("Arden Borrow Calder Delmor Elmstead Ferrow Garrick Holm Irvel Jarrow Kelby Lorne Marden Norwick Orrin "
               "Pelham Quarley Rennet Sorrel Tarn Ulver Varn Welby Yarrow")

PERSON = (
    Attribute("town", "towns", ("where does {who} live", "which town does {who} live in",
                                "in which town is the house of {who}"),
              "where do {who} live", "lives in {value}", TOWNS),
    Attribute("trade", "trades", ("what work does {who} do", "which trade did {who} learn", "what does {who} work as"),
              "what work do {who} do", "works as {value}",
              _with_article("baker barber brewer butcher carpenter cook doctor farmer fisher gardener glazier hunter "
                            "judge mason miller miner nurse painter potter sailor smith tailor teacher weaver")),
    Attribute("animal", "animals", ("what animal does {who} keep", "which animal does {who} own",
                                    "what kind of animal does {who} have"),
              "what animals do {who} keep", "keeps {value}",
              _with_article("badger bee camel cat cow crow deer dog donkey duck eagle ferret fox goat goose hare hen "
                            "horse lamb mule owl pig raven swan")),
    Attribute("color", "colors", ("what color does {who} like", "which color does {who} wear",
                                  "what color is the door of {who}"),
              "what colors do {who} like", "likes the color {value}",
              _words("amber black blue brown copper cream gold gray green ivory lilac orange pink purple red rust "
                     "silver teal white yellow")),
    Attribute("instrument", "instruments", ("what instrument does {who} play", "which instrument did {who} buy",
                                            "what does {who} play at the feast"),
              "what instruments do {who} play", "plays {value}",
              _words("banjo bell bugle cello clarinet cornet drum fiddle flute gong guitar harp horn lute lyre oboe "
                     "organ piano pipe trumpet tuba viola whistle zither", "the ")),
    Attribute("food", "foods", ("what does {who} like to eat", "which food does {who} cook",
                                "what does {who} eat at noon"),
              "what do {who} like to eat", "likes to eat {value}",
              _words("apples barley beans bread butter cabbage carrots cheese cherries dumplings eggs figs honey leeks "
                     "lentils mushrooms noodles nuts olives pears plums porridge rice soup")),
    Attribute("tree", "trees", ("what tree did {who} plant", "which tree does {who} have in the garden",
                                "what kind of tree does {who} grow"),
              "what trees did {who} plant", "planted {value}",
              _with_article("acacia ash aspen beech cedar cypress elder elm fir hazel holly juniper larch laurel linden "
                            "maple oak pine poplar rowan spruce sycamore willow yew")),
    Attribute("month", "months", ("when was {who} born", "in which month was {who} born",
                                  "which month is the feast of {who} in"),
              "when were {who} born", "was born in {value}",
              _words("January February March April May June July August September October November December")),
)

TOWN = (
    Attribute("river", "rivers", ("which river does {who} lie on", "what river runs through {who}",
                                  "what is the name of the river at {who}"),
              "which rivers do {who} lie on", "lies on {value}",
              _words("Amble Brent Cary Dove Esk Frome Gilpin Humber Isla Kennet Leven Mole Nidd Otter Piddle Swale",
                     "the ")),
    Attribute("market day", "market days", ("when is the market at {who}", "on which day is the market of {who}",
                                            "which day is the market day at {who}"),
              "when are the markets at {who}", "has its market on {value}",
              _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")),
    Attribute("ware", "wares", ("what is {who} known for", "what does {who} sell", "which ware is made in {who}"),
              "what are {who} known for", "is known for {value}",
              _words("baskets boots brooms candles carpets chairs clocks coats gloves hats kettles knives ladders lamps "
                     "mirrors nails paper pots ropes salt soap spoons tiles wool")),
    Attribute("inn", "inns", ("which inn is in {who}", "what is the inn at {who} called",
                              "what inn can one stay at in {who}"),
              "which inns are in {who}", "has an inn called {value}",
              tuple(f"the {a} {b}" for a in ("Black", "Blue", "Golden", "Green", "Red", "White")
                    for b in ("Bear", "Lion", "Rose", "Star"))),
)


def _subject(name: str, pronoun: str, attributes: tuple[Attribute, ...], rng: random.Random) -> Subject:
    return Subject(name, pronoun, attributes, {a.noun: rng.choice(a.values) for a in attributes})


def world(people: int = PEOPLE, seed: int = SEED) -> list[Subject]:
    """All subjects: `people` persons out of the possible first and family names, then the towns."""
    rng = random.Random(seed)
    names = [(f"{first} {family}", "she" if first in SHE else "he") for first in SHE + HE for family in FAMILY]
    rng.shuffle(names)
    persons = [_subject(name, pronoun, PERSON, rng) for name, pronoun in names[:people]]
    return persons + [_subject(town, "it", TOWN, rng) for town in TOWNS]
