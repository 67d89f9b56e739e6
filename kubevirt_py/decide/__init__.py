"""Pure: what to do next. A snapshot in, a Plan out."""
