"""Fixtures of tests that run on each engine by name."""

from tests.engines import each_engine

__all__ = ["each_engine"]
