"""Small programs that work and enqueue with one queue each; they run in environments of their own.

Nothing here, but for the two of ours, may import more than the standard library and its peer.
"""

from __future__ import annotations
