-- Run inside of darktable: imports the photos of a folder, has them rated, and writes the stars.
local dt = require "darktable"

local photos, results = os.getenv("NIMA_TEST_PHOTOS"), os.getenv("NIMA_TEST_RESULTS")

dt.control.dispatch(function()
  local ok, reason = pcall(function()
    local script = require "nima_stars"
    local images = {}
    for name in io.popen("ls " .. photos):lines() do
      table.insert(images, dt.database.import(photos .. "/" .. name))
    end
    images[1].rating = 3 -- given by a person
    images[2].rating = 0 -- others have the star of darktable's import
    local rated, failed = script.rate(images)
    local file = io.open(results .. ".partial", "w")
    file:write("rated ", tostring(rated), " failed ", tostring(failed), "\n")
    for _, image in ipairs(images) do
      file:write(image.filename, "\t", image.rating, "\n")
    end
    -- Rated by the script again, and then one by a person.
    dt.preferences.write("nima_stars", "replace", "bool", true)
    dt.preferences.write("nima_stars", "thresholds", "string", "0,0,0,0,0")
    script.rate({ images[3] })
    images[5].rating = images[5].rating % 5 + 1
    script.destroy()
    script.restart()
    file:write("restarted\n")
    file:close()
  end)
  if not ok then
    local file = io.open(results .. ".partial", "w")
    file:write(tostring(reason), "\n")
    file:close()
  end
  os.rename(results .. ".partial", results)
end)
