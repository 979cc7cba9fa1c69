"""Imported by the fork server: what dbt derives from its own classes, once for all children.

dbt makes JSON schemas of its classes, and the code that reads and writes its artifacts, when they
are first used, which costs every command about a second of CPU.
"""

from dataclasses import fields

from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.artifacts.resources.v1.config import Hook
from dbt.artifacts.schemas.manifest import WritableManifest
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.project import (
    Configuration,
    PackageConfig,
    ProfileConfig,
    Project,
    ProjectFlags,
)
from dbt.contracts.selection import SelectorFile
from dbt.parser.manifest import extended_mashumaro_encoder, extended_mashumuro_decoder
from dbt.task.test import TestResultData

for validated in (
    Configuration,
    DuckDBCredentials,
    Hook,
    PackageConfig,
    ProfileConfig,
    Project,
    ProjectFlags,
    SelectorFile,
    TestResultData,
):
    validated.json_schema()

_manifest = Manifest()
Manifest.from_msgpack(
    _manifest.to_msgpack(extended_mashumaro_encoder), decoder=extended_mashumuro_decoder
)
WritableManifest(
    **{field.name: {} for field in fields(WritableManifest) if field.name != "metadata"},
    metadata=_manifest.metadata,
).to_dict(omit_none=False)
