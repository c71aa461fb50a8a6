"""Strings split, joined, formatted, replaced, encoded and looked up."""

WORDS = ("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi "
         "omicron pi rho sigma tau upsilon phi chi psi omega").split()


def main():
    size = len(WORDS)
    total = 0
    for turn in range(9):
        lines = [" ".join(WORDS[(i * k + turn) % size] for k in range(1, 9)) for i in range(20000)]
        text = "\n".join(lines)
        for line in text.split("\n"):
            words = line.replace("eta", "ETA").title().split()
            total += len("-".join(word.lower() + "!" for word in words))
        report = ["%06d %-20s %s" % (i, line[:20], line[20:].upper()) for i, line in enumerate(lines)]
        total += len("\n".join(report).encode("utf-16"))
        total += len({word[::-1] + str(i) for i, word in enumerate(text.split())})
    print(total)


main()
