-- A stand-in for the module of darktable's lua-scripts.
local file = {}

function file.sanitize_filename(path)
  return "'" .. path:gsub("'", [['"'"']]) .. "'"
end

function file.check_if_file_exists(path)
  local opened = io.open(path)
  return opened ~= nil and opened:close()
end

function file.check_if_bin_exists(name)
  local found = io.popen("command -v " .. name):read("l")
  return found and file.sanitize_filename(found) or false
end

return file
