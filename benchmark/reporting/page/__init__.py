"""One HTML file that says all of a results folder: the board, its figures, and how each row is repeated."""
