-- Exact two-sided p value of McNemar's test (a sign test): `b` verdicts changed one way, `c` the other.
create or replace macro mcnemar_p(b, c) as
least(
    1.0,
    2 * list_sum(
        list_transform(
            range(0, least(b, c) + 1),
            lambda i: exp(lgamma(b + c + 1.0) - lgamma(i + 1.0) - lgamma(b + c - i + 1.0) - (b + c) * ln(2))
        )
    )
)
