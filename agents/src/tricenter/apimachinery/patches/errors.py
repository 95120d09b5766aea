"""Errors of patches.

PatchError           the patch is malformed or cannot be applied to this document (400 or 422)
└ PatchTestFailed    a `test` operation did not hold (422)
"""


class PatchError(ValueError):
    """The patch is malformed or does not fit the document."""


class PatchTestFailed(PatchError):  # noqa: N818 - upstream's name for it
    """A `test` operation of a JSON patch found another value."""
