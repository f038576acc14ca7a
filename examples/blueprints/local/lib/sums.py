"""Sums of sales."""


def total(sales):
    return sum(sale["pieces"] for sale in sales)


def best(sales):
    return max(sales, key=lambda sale: sale["pieces"])
