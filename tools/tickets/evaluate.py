#!/usr/bin/env python3
"""What the settings of classifier.py and generator.py give on digits that chose nothing, with several seeds.

    tools/tickets/evaluate.py [--seeds 1 2 3] [--only classifier|generator]

The settings were chosen with one third of the digits held out; here each of the other two is held out in turn, and all
else is trained with. A line for each network tells the least, the mean and the largest share of held-out digits read (of
a generator: the measures of generator.py).
"""
import argparse

import classifier
import digits
import generator
import popup

KEPT = 0.1


def told(name, shares):
    print(f"{name}: {100 * min(shares):.2f}, {100 * sum(shares) / len(shares):.2f}, {100 * max(shares):.2f} % "
          f"({len(shares)} runs)", flush=True)


def classified(third, seed, ticket):
    digits.deterministic(seed)
    training, held_out = digits.load(third)
    model = classifier.network(40)
    if ticket:
        popup.draw(model, seed, KEPT)
    classifier.train(model, *training, seed, 40)
    return classifier.right(classifier.exported(model, {}), *held_out) / len(held_out[1])


def drew(third, seed, ticket):
    digits.deterministic(seed)
    training, held_out = digits.load(third)
    model = generator.network(512)
    if ticket:
        popup.draw(model, seed, KEPT)
    generator.train(model, *training, seed, 1500)
    figures = generator.measured(generator.exported(model, {}), training, held_out, seed)
    shares = [int(figures[name].split()[0]) / int(figures[name].split()[2]) for name in ("recognised", "taught")]
    return *shares, float(figures["variance"].split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--only", choices=["classifier", "generator"])
    options = parser.parse_args()
    runs = [(third, seed) for third in (1, 2) for seed in options.seeds]
    for name, ticket in (("a ticket", True), ("all weights trained", False)):
        if options.only != "generator":
            told(f"classifier, {name}", [classified(*run, ticket) for run in runs])
        if options.only != "classifier":
            recognised, taught, variance = zip(*(drew(*run, ticket) for run in runs))
            told(f"generator, {name}, recognised", recognised)
            told(f"generator, {name}, taught", taught)
            told(f"generator, {name}, variance over that of real digits", variance)


if __name__ == "__main__":
    main()
