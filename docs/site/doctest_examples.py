"""Extension of griffe: an `Example:` of a docstring is code, like `Examples:`."""

from typing import Any

import griffe


class DoctestExamples(griffe.Extension):
    """Griffe knows the plural alone; the singular would become a box with a quotation."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Renames the section of an object's docstring."""
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("Example:\n", "Examples:\n")
