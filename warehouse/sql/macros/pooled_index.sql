-- Index of a stage's sample in its pool, whose stages take turns: those before it, each by its size, then those of its own turn.
create or replace macro pooled_index(sizes, number, sample_index) as
if(
    len(sizes) = 1,
    sample_index,
    list_sum(list_transform(sizes, lambda size: least(size, sample_index)))
    + len(list_filter(sizes[1:number], lambda size: size > sample_index))
)
