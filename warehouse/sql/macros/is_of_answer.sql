-- Whether a verdict on one answer is of the answer that is shown; older rows have no digest and are believed.
create or replace macro is_of_answer(judged, shown) as
judged is null or shown is null or judged = shown
