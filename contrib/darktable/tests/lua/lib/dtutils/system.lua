-- A stand-in for the module of darktable's lua-scripts.
local dt = require "darktable"

return { external_command = dt.control.execute }
