"""Routing netlink by pyroute2. The only importer of it.

pyroute2's package imports all of its protocols and tools, 160 modules. The code of the package itself is passed by
here, so that only what routing netlink needs is loaded: 5 MiB less in each agent.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec

if (_spec := find_spec("pyroute2")) is None:
    raise ImportError("no pyroute2")
sys.modules["pyroute2"] = module_from_spec(_spec)  # has the package's folder, but has not run
from pyroute2.iproute import IPRoute as IPRoute  # noqa: E402
from pyroute2.netlink.exceptions import NetlinkError as NetlinkError  # noqa: E402

del sys.modules["pyroute2"]  # whoever imports the package later gets it whole
