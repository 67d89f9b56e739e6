"""A real Kubernetes on this machine. See README.md beside this file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    # Also runs as `python3 hack/cluster`, from anywhere.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hack.cluster import build, cluster, packages, standalone, status
from hack.cluster.plan import DEFAULT_NAME
from hack.cluster.progress import ClusterError


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m hack.cluster", description=__doc__)
    parser.add_argument(
        "--name", default=DEFAULT_NAME, help="which cluster, when there are several (default: %(default)s)"
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("up", help="bring up the cluster, or what of it is not up")
    verb.add_argument("--nodes", type=int, help="number of nodes (default: 2, or as many as it has)")
    verbs.add_parser("down", help="end the cluster and remove everything of it")
    verbs.add_parser("status", help="show nodes, components and paths")
    verb = verbs.add_parser("load", help="import image archives into every node")
    verb.add_argument("archive", nargs="+", type=Path, help="OCI or docker image archive (.tar)")
    verb = verbs.add_parser("apiserver", help="run an API server with etcd and no nodes, in the foreground, for tests")
    verb.add_argument("--dir", required=True, type=Path, help="folder for its files; removed at the end")
    verb.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free one)")
    verbs.add_parser("build", help="build all programs that are not in the cache")
    verbs.add_parser("kubeconfig", help="print the path of the kubeconfig")
    chosen = parser.parse_args(arguments)
    try:
        match chosen.verb:
            case "up":
                cluster.up(chosen.name, chosen.nodes)
            case "down":
                cluster.down(chosen.name)
            case "status":
                return status.show(chosen.name)
            case "load":
                cluster.load(chosen.name, chosen.archive)
            case "build":
                packages.ensure()
                for component in build.COMPONENTS:
                    build.ensure(component)
            case "apiserver":
                return standalone.serve(chosen.dir, chosen.port)
            case "kubeconfig":
                print(cluster.kubeconfig_path(chosen.name))
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
