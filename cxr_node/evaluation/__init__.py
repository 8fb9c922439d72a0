"""How good a model is: figures with intervals, on phantoms, dialogues and labelled images."""
