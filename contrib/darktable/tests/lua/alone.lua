-- Run by Lua alone: presses the button on images, and prints their stars and what was said.
local dt = require "darktable"
local script = require "nima_stars"

local images = {}
for _, argument in ipairs(arg) do
  local stars, path = argument:match("^(%-?%d) (.*)$")
  local image = { rating = tonumber(stars), sidecar = path .. ".xmp" }
  setmetatable(image, { __tostring = function() return path end })
  table.insert(images, image)
end
dt.actions.nima_stars("button", images)
for _, image in ipairs(images) do
  print(image.rating)
end
print(dt.printed[#dt.printed])
script.destroy()
assert(not dt.actions.nima_stars and not dt.events.nima_stars)
script.restart()
assert(dt.actions.nima_stars and dt.events.nima_stars)
