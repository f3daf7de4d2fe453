"""Reads the specification sheets of a Drupal site and writes one ticket per component."""

from __future__ import annotations
