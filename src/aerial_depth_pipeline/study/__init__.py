"""How well models of one kind of footage do on another, how they adapt to it without labels, and
what each choice is worth."""
