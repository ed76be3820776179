"""Frozen values that are made quickly.

Promises: a value made here is as frozen as any other frozen dataclass, and equal to one made in the ordinary way; only the
making is cheaper. A frozen dataclass sets each of its fields by a call, because its own `__setattr__` refuses; the thirty values
of one step cost thirty microseconds that way. Here a value is born as an unfrozen twin with the same slots, gets its fields by
plain assignments, and becomes what it is by the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar, cast

T = TypeVar("T")


class _Factory:
    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()


def quick(cls: type[T]) -> type[T]:
    """Give a frozen, slotted, keyword-only dataclass a quicker `__init__` with the same arguments and defaults.

    For classes without `__post_init__` and without base classes, whose fields are all arguments.
    """
    lines = ["    _put(self, '__class__', _twin)", *_assignments(cls, "self"), "    self.__class__ = _cls"]
    made: Any = _defined("__init__", f"self, *, {_arguments(cls)}", lines, cls)
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__annotations__ = cls.__init__.__annotations__
    cls.__init__ = made  # type: ignore[method-assign]  # it has the same arguments
    return cls


def maker(cls: type[T]) -> type[T]:
    """Give a function that makes a value of such a class, for places that every step passes.

    It is called as the class is, and does what the class does; but a call of a function costs a third of a call of a class. Given
    by position, in the order of `_arguments`, the fields cost a tenth; that order is no promise to anybody else.
    """
    lines = ["    made = _new(_twin)", *_assignments(cls, "made"), "    made.__class__ = _cls", "    return made"]
    return cast("type[T]", _defined("make", _arguments(cls), lines, cls))


def copier(cls: type[T], *changing: str) -> Callable[..., T]:
    """Give a function that copies a value with these fields changed: `dataclasses.replace`, at a fifteenth of its cost."""
    names = [field.name for field in _fields(cls)]
    if unknown := set(changing) - set(names):
        raise TypeError(f"{cls.__name__} has no field {min(unknown)!r}")
    lines = ["    made = _new(_twin)"]
    lines += [f"    made.{name} = {name if name in changing else f'one.{name}'}" for name in names]
    lines += ["    made.__class__ = _cls", "    return made"]
    return _defined("copied", f"one, /, *, {', '.join(changing)}", lines, cls)


def _fields(cls: type[Any]) -> tuple[Field[Any], ...]:
    return fields(cls)


def _defined(name: str, arguments: str, lines: list[str], cls: type[Any]) -> Callable[..., Any]:
    """Write a function, as the standard library writes those of a dataclass; only names of fields become part of it."""
    twin = type(f"{cls.__name__}InTheMaking", (), {"__slots__": tuple(field.name for field in _fields(cls)), "__module__": cls.__module__})
    names: dict[str, Any] = {"_FACTORY": _FACTORY, "_put": object.__setattr__, "_new": object.__new__}
    names |= {"_cls": cls, "_twin": twin}
    names |= {f"_new_{field.name}": field.default_factory for field in _fields(cls)}
    names |= {f"_default_{field.name}": field.default for field in _fields(cls)}
    exec("\n".join((f"def {name}({arguments}):", *lines)), names)  # noqa: S102  # see above
    found: Callable[..., Any] = names[name]
    return found


def _arguments(cls: type[Any]) -> str:
    """Write the fields as arguments, with their defaults; those without one come first, as in any function."""
    with_default = [f for f in _fields(cls) if f.default is not MISSING or f.default_factory is not MISSING]
    without = [f.name for f in _fields(cls) if f not in with_default]
    said = [f"{f.name}=_FACTORY" if f.default is MISSING else f"{f.name}=_default_{f.name}" for f in with_default]
    return ", ".join((*without, *said))


def _assignments(cls: type[Any], to: str) -> Iterator[str]:
    for field in _fields(cls):
        made = field.name
        if field.default_factory is not MISSING:
            made = f"_new_{field.name}() if {field.name} is _FACTORY else {field.name}"
        yield f"    {to}.{field.name} = {made}"
