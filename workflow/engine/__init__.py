"""Binds one event to one transaction: `Engine` for synchronous hosts, `AsyncEngine` for asynchronous ones."""

from workflow.engine.asynchronous import AsyncEngine
from workflow.engine.core import Engine
from workflow.engine.dispatch import Dispatch
from workflow.engine.parts import Parts
from workflow.engine.shelf import InForce, Readers, Shelf
from workflow.engine.sweeping import Ticked
from workflow.engine.writing import FloodLimit

__all__ = ["AsyncEngine", "Dispatch", "Engine", "FloodLimit", "InForce", "Parts", "Readers", "Shelf", "Ticked"]
