-- Two-sided p value of Student's t with nu degrees of freedom, a whole number: the finite series of Abramowitz & Stegun 26.7.3-4.
create or replace macro student_p(t, nu) as
greatest(
    0.0,
    1.0 - if(
        nu % 2 = 1,
        2 / pi() * (
            atan(abs(t) / sqrt(nu))
            + abs(t) / sqrt(nu + t ^ 2) * sqrt(nu / (nu + t ^ 2)) * sqrt(pi()) / 2 * coalesce(
                list_sum(
                    list_transform(
                        range(0, (nu - 1) // 2),
                        lambda i: exp(lgamma(i + 1.0) - lgamma(i + 1.5) + i * ln(nu / (nu + t ^ 2)))
                    )
                ),
                0.0
            )
        ),
        abs(t) / sqrt(nu + t ^ 2) / sqrt(pi()) * coalesce(
            list_sum(
                list_transform(
                    range(0, nu // 2),
                    lambda i: exp(lgamma(i + 0.5) - lgamma(i + 1.0) + i * ln(nu / (nu + t ^ 2)))
                )
            ),
            0.0
        )
    )
)
