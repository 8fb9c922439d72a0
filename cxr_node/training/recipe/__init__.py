"""How the embedded model is taught from nothing, on phantoms: tower, dialogues, calibration.

The published recipes start from a tower that has seen millions of pictures; this one has seen
none. So it first learns where things are (:mod:`.tower`), then the node's own dialogue with
those losses kept beside (:mod:`.joint`). What follows is the recipe of every model here.
"""
