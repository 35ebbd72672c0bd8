# SPDX-License-Identifier: Apache-2.0
"""Ask a running llama-server every question of a card, print the accuracy and how sure each answer was.

A question's margin is the least difference, over the tokens of its answer, between the probability of the chosen
token and that of the runner-up: a question with a wide margin keeps its answer on another CPU or at fewer bits.
Standard library only.
"""
import argparse
import json
import math
import time
import urllib.request
from pathlib import Path

CARD = Path(__file__).parent / "card.jsonl"
MOST_TOKENS = 24


def ask(url: str, question: str) -> tuple[str, float]:
    """The greedy answer of a chat with this one message, stripped, and its margin."""
    body = {"messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": MOST_TOKENS,
            "logprobs": True, "top_logprobs": 2}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as reply:
        choice = json.load(reply)["choices"][0]
    tokens = (choice.get("logprobs") or {}).get("content") or []
    return choice["message"]["content"].strip(), min(map(_margin, tokens), default=0.0)


def _margin(token: dict) -> float:
    first, second = sorted((math.exp(t["logprob"]) for t in token["top_logprobs"]), reverse=True)[:2]
    return first - second


def ask_all(url: str, rows: list[dict[str, str]]) -> list[dict]:
    """Each row with the answer `got`, whether it is `right`, and its `margin`."""
    answered = []
    for row in rows:
        got, margin = ask(url, row["q"])
        answered.append({**row, "got": got, "right": got == row["a"], "margin": round(margin, 4)})
    return answered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="the server's address with its port, scheme first")
    parser.add_argument("--card", type=Path, default=CARD)
    parser.add_argument("--json", type=Path, help="also write each answer here, a line each")
    parser.add_argument("--surest", type=int, default=10, metavar="N", help="list the N surest right answers")
    args = parser.parse_args()
    began = time.monotonic()
    answered = ask_all(args.url.rstrip("/"), [json.loads(line) for line in args.card.read_text().splitlines()])
    for row in answered:
        if not row["right"]:
            print(f"{row['id']} {row['margin']:.3f} wrong: {row['q']} {row['got']!r}, not {row['a']!r}")
    for row in sorted((r for r in answered if r["right"]), key=lambda r: -r["margin"])[:args.surest]:
        print(f"{row['id']} {row['margin']:.4f} right: {row['q']} {row['got']}")
    right = sum(row["right"] for row in answered)
    print(f"{right} of {len(answered)} right, {right / len(answered):.1%}, in {time.monotonic() - began:.1f} s")
    if args.json:
        args.json.write_text("".join(json.dumps(row) + "\n" for row in answered))


if __name__ == "__main__":
    main()
