"""Other people's data: a shape says what a message or a row of theirs is in our records; a mapper reads by it."""
