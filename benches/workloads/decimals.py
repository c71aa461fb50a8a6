"""decimal and fractions: money summed up, long divisions."""
import decimal
import fractions


def main():
    decimal.getcontext().prec = 40
    rate = decimal.Decimal("1.0725")
    total = decimal.Decimal(0)
    ledger = []
    for i in range(3000000):
        amount = (decimal.Decimal(i) / 100) * rate
        total += amount
        if i % 2:
            ledger.append(amount)
    series = fractions.Fraction(0)
    for i in range(1, 3000):
        series += fractions.Fraction(1, i)
    print(total, len(ledger), series.numerator % 1000003)


main()
