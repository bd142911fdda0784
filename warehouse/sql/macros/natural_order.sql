-- What a name is ordered by so that p2 comes before p10: its numbers padded to twenty digits.
create or replace macro natural_order(name) as array_to_string(
    list_transform(
        regexp_extract_all(name, '[0-9]+|[^0-9]+'),
        lambda part: if(regexp_full_match(part, '[0-9]{1,20}'), lpad(part, 20, '0'), part)
    ),
    ''
)
