-- A stand-in for the module of darktable's lua-scripts, which no Debian package has.
local dt = require "darktable"

local dtutils = {}

function dtutils.check_min_api_version(wanted, name)
  local major = tonumber(dt.configuration.api_version_string:match("^%d+"))
  assert(major >= tonumber(wanted:match("^%d+")), name)
end

return dtutils
