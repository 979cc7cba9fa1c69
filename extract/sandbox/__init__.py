"""A bundled API of the contract's exact shape, to try the pipeline without an account.

`server` speaks real HTTP on loopback; `world` makes up the contacts that it lists. The data is
deterministic by seed and moves with the clock: new leads come, some change, some convert.
"""

from extract.sandbox.server import ApiServer
from extract.sandbox.world import World

API_KEY = "sandbox"


def sandbox_server(port: int = 0) -> ApiServer:
    """Return a sandbox API, not yet started (use it in a `with` statement).

    Args:
        port: loopback port; 0 takes a free one.
    """
    return ApiServer(World().lists, api_key=API_KEY, port=port)


__all__ = ["API_KEY", "ApiServer", "World", "sandbox_server"]
