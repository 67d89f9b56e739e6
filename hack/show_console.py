"""Show what a guest prints on its serial console until its login prompt: show_console.py NAMESPACE NAME."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from e2e.console import console


def main() -> int:
    namespace, name = sys.argv[1:3]
    with console(namespace, name) as guest:
        guest.send("\n")
        screen = guest.expect(r"(?s).*login: ", 120).group()
    print(screen.replace("\r", ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
