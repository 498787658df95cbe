// For src/cli: the command-line parser and JSON are most of what its sources cost to compile.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "precompiled.h"
