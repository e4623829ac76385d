"""How much memory an instance takes, and whether it fits: before anything is loaded.

`estimate` says what one instance takes, `learned` corrects that by what was measured on this box,
`need` puts both together; `budget` says what all may take together, `placing` who gets a place.
"""
