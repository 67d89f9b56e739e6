"""KubeVirt CR to every object the operator keeps, in the order they are applied."""

from kubevirt_py.render.install.documents import documents, kind_of, managed_kinds, render_base
from kubevirt_py.render.install.installation import Installation

__all__ = ["Installation", "documents", "kind_of", "managed_kinds", "render_base"]
