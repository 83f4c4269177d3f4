"""Writes wmsdk_config.h and wmsdk_config.cmake from Kconfig and a project's prj.config."""

import os
import sys

import kconfiglib

_, sdk, project, out = sys.argv
os.environ.update(SDK_PATH=sdk, PROJECT_PATH=project)
config = kconfiglib.Kconfig(os.path.join(sdk, "Kconfig"), warn_to_stderr=False)
config.load_config(os.path.join(project, "prj.config"))
if config.warnings:
    sys.exit("\n".join(config.warnings))
os.makedirs(out, exist_ok=True)
config.write_autoconf(os.path.join(out, "wmsdk_config.h"))
with open(os.path.join(out, "wmsdk_config.cmake"), "w") as file:
    for symbol in config.unique_defined_syms:
        value = symbol.str_value
        if symbol.type == kconfiglib.BOOL and value == "n":
            value = ""
        file.write('set(CONFIG_{} "{}")\n'.format(symbol.name, value))
