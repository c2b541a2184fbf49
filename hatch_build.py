"""Adds the JupyterLab extension to a wheel where it was built; without Node there is none, and
everything else works."""

from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface):
    def initialize(self, version, build_data):
        built = Path(self.root) / "ftkit" / "labextension"
        if (built / "package.json").is_file():
            build_data["shared_data"][str(built)] = "share/jupyter/labextensions/ftkit"
