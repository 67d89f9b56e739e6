"""The words: models of every public kind, names, and the views that reconcilers read. No behaviour beyond parsing."""
