--[[
  nima_stars: stars for the selected images, by how people would rate them.

  Adds the button "stars by nima" to the lighttable's module "actions on selection", and a shortcut
  of that name. Images are scored by the command `nima-pretrain predict`, on this machine. An image
  gets one star for each threshold that the percentile of its score reaches, and at least one.
  Images that a person gave stars, or rejected, are left alone unless the preference says otherwise.
  The stars that darktable itself gives on import do not count. Stars of this script are marked in
  darktable's sidecars, so that nima-pretrain does not take them for a person's.

  SPDX-License-Identifier: Apache-2.0

  ADDITIONAL SOFTWARE NEEDED
  * nima-pretrain: pip install 'nima-pretrain[raw]'
  * darktable's lua-scripts, for lib/dtutils

  USAGE
  * copy this file to lua/contrib in darktable's configuration folder
  * start it in the script manager, or by require "contrib/nima_stars" in luarc
  * preferences, Lua options: the path of nima-pretrain, the thresholds
  * select images in the lighttable, press the button
]]

local dt = require "darktable"
local du = require "lib/dtutils"
local df = require "lib/dtutils.file"
local dtsys = require "lib/dtutils.system"

local MODULE = "nima_stars"
local THRESHOLDS = "5,20,50,80,95"
local MOST_STARS = 5
local MARK = "nima-pretrain:ns:stars/" -- namespace of the property by which nima-pretrain knows stars

du.check_min_api_version("7.0.0", MODULE)

local gettext = dt.gettext.gettext

local function _(text)
  return gettext(text)
end

-- - - - - - - - - - - - - - - - - - - - - - - -
-- P R E F E R E N C E S
-- - - - - - - - - - - - - - - - - - - - - - - -

dt.preferences.register(MODULE, "executable", "file",
  _("nima stars: nima-pretrain"),
  _("the program; if none is chosen, nima-pretrain is searched for where programs are"),
  "")

dt.preferences.register(MODULE, "thresholds", "string",
  _("nima stars: thresholds"),
  _("percentiles from which on an image has 1, 2, 3, 4 and 5 stars"),
  THRESHOLDS)

dt.preferences.register(MODULE, "replace", "bool",
  _("nima stars: replace stars"),
  _("also rate images that a person gave stars or rejected"),
  false)

-- The five thresholds; nil if the preference does not hold five rising numbers.
local function read_thresholds()
  local thresholds = {}
  for word in dt.preferences.read(MODULE, "thresholds", "string"):gmatch("[^,]+") do
    local value = tonumber(word)
    local before = thresholds[#thresholds] or 0
    if not value or value < before or value > 100 then
      return nil
    end
    table.insert(thresholds, value)
  end
  return #thresholds == MOST_STARS and thresholds or nil
end

-- The program, quoted for the shell; nil if there is none.
local function find_program()
  local chosen = dt.preferences.read(MODULE, "executable", "file")
  if chosen and chosen ~= "" then
    return df.check_if_file_exists(chosen) and df.sanitize_filename(chosen) or nil
  end
  return df.check_if_bin_exists("nima-pretrain") or nil
end

-- - - - - - - - - - - - - - - - - - - - - - - -
-- S C O R I N G
-- - - - - - - - - - - - - - - - - - - - - - - -

-- Whether nobody has rated an image: it has no stars, or those of darktable's import.
local function is_unrated(image)
  local by_import = dt.preferences.read("darktable", "ui_last/import_initial_rating", "integer")
  return image.rating == 0 or image.rating == by_import
end

local function stars_of(percentile, thresholds)
  local stars = 1
  for number, threshold in ipairs(thresholds) do
    if percentile >= threshold then
      stars = number
    end
  end
  return stars
end

-- Adds nima:Rating to a sidecar that darktable has written: stars that equal it are not a person's.
-- darktable keeps the property when it writes the sidecar again, and so it differs from stars that a
-- person gives later.
local function mark(image, stars)
  local file = io.open(image.sidecar, "rb")
  if not file then
    return -- by its preferences darktable may write none
  end
  local text = file:read("*a")
  file:close()
  local rating = string.format('%%sxmp:Rating="%d"', stars)
  if not text:find(rating) then
    return
  end
  local marked, places
  if text:find(MARK, 1, true) then
    marked, places = text:gsub('(%snima:Rating=")%-?%d"', "%1" .. stars .. '"')
  elseif not text:find("xmlns:nima=", 1, true) then
    local added = string.format(' xmlns:nima="%s" nima:Rating="%d"', MARK, stars)
    marked, places = text:gsub(rating, "%0" .. added, 1)
  end
  if places == 1 and marked ~= text then
    local beside = image.sidecar .. ".nima"
    os.remove(beside) -- a link of that name would be written through
    local new = io.open(beside, "wb")
    if new then
      local written = new:write(marked) and new:close()
      if not (written and os.rename(beside, image.sidecar)) then
        os.remove(beside)
      end
    end
  end
end

-- Groups images by their file, since the duplicates of an image share it.
local function by_file(images)
  local files, images_of = {}, {}
  for _, image in ipairs(images) do
    local file = tostring(image)
    if not images_of[file] then
      images_of[file] = {}
      table.insert(files, file)
    end
    table.insert(images_of[file], image)
  end
  return files, images_of
end

-- One value of a row, which is an object of JSON on a line. A quote inside of a string has a
-- backslash before it, so that no file name can be taken for a key.
local function value_in(row, key, pattern)
  return row:match('[{,]%s*"' .. key .. '":%s*' .. pattern)
end

-- Runs the program on files. Returns its rows, one for each file and in their order; or nil and
-- what the program said last.
local function run_program(program, files)
  local list, output, messages = os.tmpname(), os.tmpname(), os.tmpname()
  local file = assert(io.open(list, "wb"))
  for _, name in ipairs(files) do
    file:write(name, "\0") -- a name may hold a newline
  end
  file:close()
  local command = string.format("%s predict --format jsonl --quiet - < %s > %s 2> %s",
    program, df.sanitize_filename(list), df.sanitize_filename(output), df.sanitize_filename(messages))
  dt.print_log(MODULE .. ": " .. command)
  local status = dtsys.external_command(command)
  local rows, last = {}, nil
  for line in io.lines(output) do
    table.insert(rows, line)
  end
  for line in io.lines(messages) do
    last = line
  end
  for _, name in ipairs({list, output, messages}) do
    os.remove(name)
  end
  if status ~= 0 or #rows ~= #files then
    return nil, last or string.format(_("nima-pretrain ended with status %s"), tostring(status))
  end
  return rows
end

-- Rates images. Returns how many got stars and how many could not be scored; or nil and why not.
local function rate(images)
  local thresholds = read_thresholds()
  if not thresholds then
    return nil, _("the thresholds have to be five rising numbers from 0 to 100, such as ") .. THRESHOLDS
  end
  local program = find_program()
  if not program then
    return nil, _("nima-pretrain is not found: install it, or choose it in the Lua options")
  end
  local replace = dt.preferences.read(MODULE, "replace", "bool")
  local unrated = {}
  for _, image in ipairs(images) do
    if replace or is_unrated(image) then
      table.insert(unrated, image)
    end
  end
  if #unrated == 0 then
    return 0, 0
  end
  local files, images_of = by_file(unrated)
  local rows, reason = run_program(program, files)
  if not rows then
    return nil, reason
  end
  local rated, failed, stars = 0, 0, {}
  for number, row in ipairs(rows) do
    local percentile = tonumber(value_in(row, "percentile", "(%-?[%d%.eE%+%-]+)"))
    if not percentile then
      failed = failed + 1
      dt.print_log(MODULE .. ": " .. files[number] .. ": " .. (value_in(row, "error", '"(.-)"') or ""))
    else
      for _, image in ipairs(images_of[files[number]]) do
        stars[image] = stars_of(percentile, thresholds)
        image.rating = stars[image]
        rated = rated + 1
      end
    end
  end
  for image, given in pairs(stars) do
    mark(image, given)
  end
  return rated, failed
end

-- - - - - - - - - - - - - - - - - - - - - - - -
-- I N T E R F A C E
-- - - - - - - - - - - - - - - - - - - - - - - -

local function rate_and_tell(images)
  dt.print(string.format(_("scoring %d images"), #images))
  local rated, failed_or_reason = rate(images)
  if not rated then
    dt.print_error(failed_or_reason)
    dt.print(failed_or_reason)
  else
    dt.print(string.format(_("%d of %d images got stars, %d could not be scored"),
      rated, #images, failed_or_reason))
  end
end

local function on_button(_, images)
  rate_and_tell(images)
end

local function on_shortcut()
  rate_and_tell(dt.gui.action_images)
end

local function show()
  dt.gui.libs.image.register_action(MODULE, _("stars by nima"), on_button,
    _("give the selected images stars by how people would rate them"))
  dt.register_event(MODULE, "shortcut", on_shortcut, _("stars by nima"))
end

local function destroy()
  dt.gui.libs.image.destroy_action(MODULE)
  dt.destroy_event(MODULE, "shortcut")
end

show()

local script_data = {}

script_data.metadata = {
  name = _("nima stars"),
  purpose = _("stars for the selected images by how people would rate them"),
  author = "nima-pretrain",
}
script_data.destroy = destroy
script_data.destroy_method = nil -- a button can be destroyed, so it need not be hidden
script_data.restart = show
script_data.show = show
script_data.rate = rate -- for other scripts, and for tests

return script_data
