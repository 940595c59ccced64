-- A stand-in for darktable's own module, with as much as nima_stars uses.
local stored = {
  ["darktable/ui_last/import_initial_rating"] = 1,
  ["nima_stars/executable"] = os.getenv("NIMA_TEST_EXECUTABLE"),
  ["nima_stars/thresholds"] = os.getenv("NIMA_TEST_THRESHOLDS"),
  ["nima_stars/replace"] = os.getenv("NIMA_TEST_REPLACE") == "yes",
}
local dt = { printed = {}, actions = {}, events = {} }

dt.configuration = { api_version_string = "9.0.0", running_os = "linux" }
dt.gettext = { gettext = function(text) return text end }
dt.control = {
  execute = function(command)
    local _, _, status = os.execute(command)
    return status
  end,
}
dt.preferences = {
  register = function(script, name, _, _, _, default)
    local key = script .. "/" .. name
    stored[key] = stored[key] == nil and default or stored[key]
  end,
  read = function(script, name) return stored[script .. "/" .. name] end,
}
dt.gui = { action_images = {}, libs = { image = {} } }
function dt.gui.libs.image.register_action(name, _, callback) dt.actions[name] = callback end
function dt.gui.libs.image.destroy_action(name) dt.actions[name] = nil end
function dt.register_event(name, _, callback) dt.events[name] = callback end
function dt.destroy_event(name) dt.events[name] = nil end
function dt.print(text) table.insert(dt.printed, text) end
function dt.print_error() end
function dt.print_log() end

return dt
